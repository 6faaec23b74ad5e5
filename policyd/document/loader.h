/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the store to memory, at a start. Rows are a plan: what a document is, it
 * says itself. A row that cannot be explained is reported once, by a receipt
 * and a record, and goes; no state keeps the daemon from starting, since a
 * device that takes no order any more is worse than any document.
 */
#ifndef POLICYD_DOCUMENT_LOADER_H
#define POLICYD_DOCUMENT_LOADER_H

struct err;
struct policyd;

/* Root, key, documents and snapshots, as far as they can be had. -ENOMEM; or
 * the store cannot be read at all. */
int loader_load_state(struct policyd *p, struct err *e);

#endif
