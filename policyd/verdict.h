/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of something that was submitted, and the receipt of a refusal:
 * one an hour for the same thing.
 */
#ifndef POLICYD_VERDICT_H
#define POLICYD_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/receipt.h"

struct doc_head;
struct policyd;

struct verdict {
	const char *outcome; /* accepted, staged, known, refused */
	struct err e;	     /* of a refusal */
};

/* Is this a verdict on what was looked at, rather than trouble of our own? */
bool verdict_is_refusal(const struct err *e);

/* How receipts name it; type and id are borrowed from the head. */
struct receipt_doc verdict_doc(const struct doc_head *h);

/* A receipt of type refused; `why` says the reason. In a transaction of its
 * own. */
int verdict_refuse(struct policyd *p, const struct receipt_doc *what,
		   const char *vp, const struct err *why, struct err *e);
/* The same inside a transaction; *ret_seq 0: it was told within the hour. */
int verdict_write_refusal(struct policyd *p, const struct receipt_doc *what,
			  const char *vp, const struct err *why,
			  int64_t *ret_seq, struct err *e);

#endif
