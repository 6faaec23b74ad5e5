/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a snapshot to what is in force. A snapshot is staged until all of its
 * documents and layers are here; then one transaction decides between the old
 * set and the new. Here are the decision, from facts, and what it changes in
 * the store; policyd/staging.h has what follows.
 */
#ifndef POLICYD_ACTIVATE_H
#define POLICYD_ACTIVATE_H

#include "policyd/document/document_set.h"
#include "policyd/document/verify.h"
#include "policyd/store/store.h"

struct document_state;
struct err;
struct layer_store;
struct recorder;
struct snapshot;

/* Borrowed, and valid until the state changes. */
struct activate_facts {
	struct verify_facts verify;
	const struct document_set *staged_docs; /* of verify.staged */
	const struct layer_store *layers;
};
/* All but the layers (NULL) and the config that may be replaced (""). */
void activate_gather_facts(const struct recorder *rec,
			   const struct document_state *state,
			   struct activate_facts *ret);

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
bool activate_may_complete(const struct activate_facts *f,
			   const struct snapshot *s);
bool activate_lacks_one(const struct activate_facts *f);
/* Are all documents and layers of the staged snapshot here? */
bool activate_is_ready(const struct activate_facts *f);

/* A new snapshot, which is taken over (its payload is `text`); inside a
 * transaction. err.incomplete. */
int activate_stage(const struct activate_facts *f, struct snapshot *s,
		   const char *text, struct activate *ret, struct err *e);
/* A document of the staged snapshot (NULL: none, only look again), which is
 * taken over; inside a transaction. When it was the last, all of them are
 * verified again: any reason, for which the snapshot is to be refused. */
int activate_add_document(const struct activate_facts *f, struct doc *d,
			  enum store_staged state, struct activate *ret,
			  struct err *e);
/* After the commit. Facts that were gathered before are void. */
void activate_update_state(struct document_state *state, struct activate *a);

/* Gives the staged snapshot up; inside a transaction. */
int activate_delete_staged_rows(struct store *store, struct err *e);
/* The staged snapshot is refused as a whole: one transaction that writes the
 * receipt and gives it up. */
int activate_write_refusal(const struct recorder *rec,
			   const struct snapshot *staged, const struct err *why,
			   struct err *e);

/* Documents of the staged snapshot that the store has and that hold under the
 * root in force. */
int activate_verify_staged(const struct activate_facts *f,
			   struct document_set *ret, struct err *e);

#endif
