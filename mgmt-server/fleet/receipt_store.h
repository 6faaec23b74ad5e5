/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices signed: receipts and audit batches. Kept only if they verify by
 * the key of the device's enrollment, and without gaps.
 */
#ifndef MGMT_SERVER_FLEET_RECEIPT_STORE_H
#define MGMT_SERVER_FLEET_RECEIPT_STORE_H

#include <stdint.h>

#include "lib/json.h"

struct connections;
struct err;
struct turn;

/* Borrowed: what is written to, and who hears of what is done. */
struct receipt_store {
	struct turn *turn;
	struct connections *connections;
};

/* Up to where each stream is here, and the newest that the device signed of it:
 * envelopes, NULL where there is none. */
struct receipt_store_position {
	uint64_t receipts, records;
	json_t *receipt, *head; /* owned */
};
int receipt_store_get_position(const struct receipt_store *s,
			       const char *device, const char *epoch,
			       struct receipt_store_position *ret,
			       struct err *e);
void receipt_store_position_fini(struct receipt_store_position *p);

/*
 * Takes what continues the stream; what is here already is compared with it
 * (two receipts with one seq are an alarm), a gap ends the taking, unless the
 * device's statement bridges it. *ret_seq is the position then. A receipt that
 * does not verify is an alarm, not an error.
 */
int receipt_store_add_receipts(const struct receipt_store *s,
			       const char *device, const char *epoch,
			       json_t *list, uint64_t *ret_seq, struct err *e);
int receipt_store_add_audit_batch(const struct receipt_store *s,
				  const char *device, const char *epoch,
				  json_t *batch, uint64_t *ret_seq,
				  struct err *e);

#endif
