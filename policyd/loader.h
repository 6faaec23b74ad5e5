/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the store to memory, at a start. Rows are a plan: what a document is, it
 * says itself. A row that cannot be explained is reported once, by a receipt
 * and a record, and goes; no state keeps the daemon from starting, since a
 * device that takes no command any more is worse than any document.
 */
#ifndef POLICYD_LOADER_H
#define POLICYD_LOADER_H

struct document_state;
struct err;
struct identity;
struct recorder;

/* Root, key, documents and snapshots, as far as they can be had; the recorder
 * borrows what is loaded. -ENOMEM; or the store cannot be read at all. */
int loader_load_state(const struct recorder *rec, struct identity *id,
		      struct document_state *state, struct err *e);

#endif
