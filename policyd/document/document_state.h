/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents that the device has, in memory: what is in force, and what is
 * staged until it can be. The store has them too; memory follows a commit.
 */
#ifndef POLICYD_DOCUMENT_DOCUMENT_STATE_H
#define POLICYD_DOCUMENT_DOCUMENT_STATE_H

#include "policyd/document/document_set.h"
#include "policyd/document/snapshot.h"

struct document_state {
	struct doc *root; /* NULL: not enrolled */
	struct document_set in_force;
	struct snapshot *snapshot;	 /* in force; NULL: none yet */
	struct snapshot *staged;	 /* awaited; NULL: none */
	struct document_set staged_docs; /* what it has so far */
	bool staged_blocked;		 /* a document of it was refused */
};
void document_state_fini(struct document_state *s);

/* NULL: not enrolled. */
const struct doc_root *document_state_get_root(const struct document_state *s);

/* There is no staged snapshot any more. */
void document_state_drop_staged(struct document_state *s);

#endif
