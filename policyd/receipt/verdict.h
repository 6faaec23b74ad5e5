/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of something that was submitted, and the receipt of a refusal:
 * one an hour for the same thing.
 */
#ifndef POLICYD_RECEIPT_VERDICT_H
#define POLICYD_RECEIPT_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/receipt.h"
#include "lib/err.h"

struct doc_head;
struct recorder;

struct verdict {
	const char *outcome; /* accepted, staged, known, refused */
	struct err e;	     /* of a refusal */
};

/* Is this a verdict on what was looked at, rather than trouble of our own? */
bool verdict_is_refusal(const struct err *e);

/* How receipts name it; type and id are borrowed from the head. */
struct receipt_doc verdict_build_document(const struct doc_head *h);

/*
 * Whose word made the device refuse: anybody may bring bytes, a signer of ours
 * may err or flood, and what was accepted before is bounded by its quota. The
 * same bytes are reported once an hour, and of the first two so many an hour
 * that 64 MiB hold them for weeks; the rest is counted.
 */
enum verdict_source { VERDICT_STRANGER, VERDICT_SIGNER, VERDICT_ACCEPTED };

struct verdict_refusal {
	enum verdict_source source;
	const struct receipt_doc *what;
	const char *vp;	       /* NULL: none */
	const struct err *why; /* with the reason */
};

/* A receipt of type refused, in a transaction of its own. */
int verdict_refuse(const struct recorder *rec, const struct verdict_refusal *f,
		   struct err *e);
/* The same inside a transaction; *ret_seq 0: it was counted, not told. */
int verdict_write_refusal(const struct recorder *rec,
			  const struct verdict_refusal *f, int64_t *ret_seq,
			  struct err *e);

#endif
