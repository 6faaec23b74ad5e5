/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices signed: receipts and audit batches. Kept only if they verify by
 * the key of the device's enrolment, and without gaps.
 */
#ifndef MGMT_EVIDENCE_H
#define MGMT_EVIDENCE_H

#include <stdint.h>

#include "lib/json.h"

struct err;
struct server;

/* Up to where each stream is here. */
int evidence_position(struct server *s, const char *device, const char *epoch,
		      uint64_t *ret_receipts, uint64_t *ret_records,
		      struct err *e);

/*
 * Takes what continues the stream; what is here already is compared with it
 * (two receipts with one seq are an alarm), a gap ends the taking. *ret_seq is
 * the position then. A receipt that does not verify is an alarm, not an error.
 */
int evidence_take_receipts(struct server *s, const char *device,
			   const char *epoch, json_t *list, uint64_t *ret_seq,
			   struct err *e);
int evidence_take_batch(struct server *s, const char *device, const char *epoch,
			json_t *batch, uint64_t *ret_seq, struct err *e);

#endif
