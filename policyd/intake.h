/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent brings: each envelope is verified, then taken or refused. A
 * refusal changes nothing but leaves a receipt, one an hour for the same thing.
 */
#ifndef POLICYD_INTAKE_H
#define POLICYD_INTAKE_H

#include <stddef.h>

#include "lib/err.h"
#include "lib/receipt.h"

struct doc_head;
struct policyd;
struct verify_facts;

struct intake_result {
	const char *outcome; /* accepted, staged, known, refused */
	struct err e;	     /* of a refusal */
};

/* < 0: it could not be decided (no memory, no disk); nothing was changed. */
int intake_submit(struct policyd *p, const void *data, size_t len,
		  struct intake_result *ret, struct err *e);

/* A receipt of type refused; `why` says the reason. In a transaction of its
 * own. */
int intake_refuse(struct policyd *p, const struct receipt_doc *what,
		  const char *vp, const struct err *why, struct err *e);
/* The same inside a transaction; *ret_seq 0: it was told within the hour. */
int intake_write_refusal(struct policyd *p, const struct receipt_doc *what,
			 const char *vp, const struct err *why,
			 int64_t *ret_seq, struct err *e);

/* An accepted image turned out to be impossible: refuses it, and stops waiting
 * for its snapshot until that is sent again. */
void intake_refuse_image(struct policyd *p, const struct doc_head *image,
			 const struct err *why);

void intake_facts(const struct policyd *p, struct verify_facts *ret);
struct receipt_doc intake_doc(const struct doc_head *h);

#endif
