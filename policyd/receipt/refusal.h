/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receipt and the audit record of a refusal: one an hour for the same
 * thing.
 */
#ifndef POLICYD_RECEIPT_REFUSAL_H
#define POLICYD_RECEIPT_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/receipt.h"
#include "lib/err.h"

struct recorder;

/* Is the error the input's fault, so that it is refused? Not trouble of the
 * device's own. */
bool refusal_is_caused_by(const struct err *e);

/*
 * Whose word made the device refuse: anybody may bring bytes, a signer of ours
 * may err or flood, and what was accepted before is bounded by its quota. The
 * same bytes are reported once an hour, and of the first two so many an hour
 * that 64 MiB hold them for weeks; the rest is counted.
 */
enum refusal_source { REFUSAL_STRANGER, REFUSAL_SIGNER, REFUSAL_ACCEPTED };

struct refusal {
	enum refusal_source source;
	const struct receipt_doc *what;
	const char *vp;	       /* NULL: none */
	const struct err *why; /* with the reason */
};

/* A receipt of type refused, in a transaction of its own. */
int refusal_commit(const struct recorder *rec, const struct refusal *f,
		   struct err *e);
/* The same inside a transaction; *ret_seq 0: it was counted, not reported. */
int refusal_write(const struct recorder *rec, const struct refusal *f,
		  int64_t *ret_seq, struct err *e);

#endif
