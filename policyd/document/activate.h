/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a snapshot to what is in force. A snapshot is staged until all of its
 * documents and layers are here; then one transaction decides between the old
 * set and the new. cellsd is called afterwards, as often as it takes.
 */
#ifndef POLICYD_DOCUMENT_ACTIVATE_H
#define POLICYD_DOCUMENT_ACTIVATE_H

#include "policyd/document/document_set.h"
#include "policyd/store/store.h"

struct err;
struct policyd;
struct snapshot;

/* What a transaction prepares, and activate_update_state() makes true in memory
 * once it is committed. End it with activate_fini(). */
struct activate {
	struct document_set docs; /* of the snapshot, as far as they are here */
	struct snapshot *snapshot; /* owned; NULL: the one that is staged */
	bool complete;
};
void activate_fini(struct activate *a);

/* Could this new snapshot, or one more document of the staged one, complete a
 * set? Steps on the way there need not be durable: a power cut that takes one
 * back leaves a device that asks for it again. */
bool activate_may_complete(const struct policyd *p, const struct snapshot *s);
bool activate_lacks_one(const struct policyd *p);

/* A new snapshot, which is taken over (its payload is `text`); inside a
 * transaction. err.incomplete. */
int activate_stage(struct policyd *p, struct snapshot *s, const char *text,
		   struct activate *ret, struct err *e);
/* A document of the staged snapshot (NULL: none, only look again), which is
 * taken over; inside a transaction. When it was the last, all of them are
 * verified again: any reason, for which the snapshot is to be refused. */
int activate_add_document(struct policyd *p, struct doc *d,
			  enum store_staged state, struct activate *ret,
			  struct err *e);
/* After the commit. */
void activate_update_state(struct policyd *p, struct activate *a);

/* Gives the staged snapshot up; inside a transaction, and after its commit. */
int activate_delete_staged_rows(struct policyd *p, struct err *e);
void activate_forget_staged(struct policyd *p);

/* The staged snapshot is refused as a whole, with a receipt. */
int activate_refuse_staged(struct policyd *p, const struct err *why,
			   struct err *e);

/* What is staged, from the store at a start: documents as far as they hold
 * under the root in force. */
int activate_load_staged(struct policyd *p, const char *text, struct err *e);
/* Another root is in force: documents that wait and do not hold any more are
 * awaited again. */
void activate_handle_new_root(struct policyd *p);

/* Awaits the set in force once more: layers of it are lost. */
int activate_restage(struct policyd *p, struct err *e);

/* Layers have arrived: activates, if that was all; refuses the snapshot, if a
 * document of it does not hold any more. */
int activate_retry(struct policyd *p, struct err *e);

#endif
