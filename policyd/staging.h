/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does about the staged snapshot: it activates the set once it
 * is complete, refuses it, or drops it, and lets downloads, timers, cellsd and
 * the agent know. policyd/activate.h decides.
 */
#ifndef POLICYD_STAGING_H
#define POLICYD_STAGING_H

struct activate;
struct activate_facts;
struct err;
struct policyd;

/* What documents are verified against, as things are now. */
void staging_gather_facts(const struct policyd *p, struct activate_facts *ret);

/* After the commit of what was prepared in `a`. */
void staging_apply(struct policyd *p, struct activate *a);
/* After the commit that gave the staged snapshot up. */
void staging_drop(struct policyd *p);
/* Refuses the staged snapshot as a whole, with a receipt. */
int staging_refuse(struct policyd *p, const struct err *why, struct err *e);

/* The staged snapshot was refused a document, and may have it now. */
void staging_unblock(struct policyd *p);

/* Another root is in force: staged documents that do not hold under it are
 * awaited again. */
void staging_handle_new_root(struct policyd *p);

/* Awaits the set in force once more: layers of it are lost. */
int staging_restage(struct policyd *p, struct err *e);

/* Activates the staged set if all of it is here; refuses the snapshot if a
 * document of it does not hold any more. */
int staging_retry(struct policyd *p, struct err *e);

#endif
