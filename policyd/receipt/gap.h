/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the device can no longer send of its receipts or audit records, said by
 * a receipt of the type gap: a server that lacks them (it was restored from a
 * copy, or another one acknowledged them) goes on behind it.
 */
#ifndef POLICYD_RECEIPT_GAP_H
#define POLICYD_RECEIPT_GAP_H

#include <stdint.h>

#include "lib/document/receipt.h"

struct err;
struct recorder;

/*
 * Who has entries up to `after` cannot be sent the next one: *ret_seq is the
 * receipt that says so, written now if there is none yet. 0: nothing is gone.
 * Not inside a transaction.
 */
int gap_report_receipts(const struct recorder *rec, int64_t after,
			int64_t *ret_seq, struct err *e);
int gap_report_audit(const struct recorder *rec, int64_t after,
		     int64_t *ret_seq, struct err *e);

/* Inside a transaction. `cause` of *g is static. */
int gap_write(const struct recorder *rec, const struct receipt_gap *g,
	      int64_t *ret_seq, struct err *e);

#endif
