/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the server or a device was restored from a copy (schema/ws/cells.v1.md):
 * both say at hello what they hold, and what a device can no longer send is
 * bridged by its signed statement. Each of it is an alarm and an audit entry.
 */
#ifndef MGMT_SERVER_FLEET_RESYNC_H
#define MGMT_SERVER_FLEET_RESYNC_H

#include <stdint.h>

#include "lib/json.h"

struct envelope;
struct err;
struct receipt;
struct receipt_gap;
struct turn;

/* Keeps a verified statement, once, and reports it. `from` is the first that
 * is missing here; 0: none is, only the device lost something. */
int resync_store_gap(struct turn *t, const struct receipt *rc,
		     const struct receipt_gap *g, int64_t from,
		     const struct envelope *env, struct err *e);

/*
 * The digest that the entry after `seq` names as the one before it, as text of
 * ENCODING_DIGEST_SIZE; "": nothing here says.
 */
int resync_get_receipt_digest(struct turn *t, const char *device,
			      const char *epoch, int64_t seq, char *ret,
			      struct err *e);

/*
 * What a hello says (its `holds` and `status`, NULL: nothing) against what is
 * here: up to `receipts` and `records`. The next snapshot's version will be
 * above the one that the device holds.
 */
int resync_compare_positions(struct turn *t, const char *device,
			     uint64_t receipts, uint64_t records, json_t *holds,
			     json_t *status, struct err *e);

#endif
