/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a snapshot to what is in force. A snapshot is staged until all of its
 * documents and layers are here; then one transaction decides between the old
 * set and the new. cellsd is told afterwards, as often as it takes.
 */
#ifndef POLICYD_ACTIVATE_H
#define POLICYD_ACTIVATE_H

#include "policyd/held.h"

struct err;
struct policyd;
struct snapshot;

/* What a transaction prepares, and activate_adopt() makes true in memory once
 * it is committed. End it with activate_fini(). */
struct activate {
	struct held docs; /* of the snapshot, as far as they are here */
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
 * taken over; inside a transaction. err.incomplete. */
int activate_add(struct policyd *p, struct doc *d, struct activate *ret,
		 struct err *e);
/* After the commit. */
void activate_adopt(struct policyd *p, struct activate *a);

/* Gives the staged snapshot up; inside a transaction, and after its commit. */
int activate_drop(struct policyd *p, struct err *e);
void activate_dropped(struct policyd *p);

/* Awaits the set in force once more: layers of it are lost. */
int activate_again(struct policyd *p, struct err *e);

/* Layers have arrived: activates, if that was all. */
int activate_retry(struct policyd *p, struct err *e);

#endif
