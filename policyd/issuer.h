/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts: written in the transaction of the change that they tell of,
 * numbered without gaps, signed when the agent asks for them (the signature
 * needs nothing that is not in the payload).
 */
#ifndef POLICYD_ISSUER_H
#define POLICYD_ISSUER_H

#include "lib/json.h"
#include "lib/reason.h"
#include "lib/receipt.h"

struct err;
struct policyd;

struct issuer_receipt {
	enum receipt_type type;
	enum reason reason;
	const char *vp;			    /* NULL: none */
	const struct receipt_doc *document; /* NULL: none */
	json_t *details;		    /* owned: issuer_write() takes it */
};

/*
 * The reference stolen from `details` also when it fails. *ret_seq may be NULL.
 * Nothing is written by a device that is not enrolled.
 */
int issuer_write(struct policyd *p, const struct issuer_receipt *r,
		 int64_t *ret_seq, struct err *e);

/* Signs a payload as it was written. The caller frees *ret. */
int issuer_sign(const struct policyd *p, const char *payload, char **ret,
		struct err *e);

/* The digest of all that is in force. */
void issuer_state(const struct policyd *p, char ret[72]);

/* [{"type","id","version","sha256"}] of the documents in force; NULL: no
 * memory. */
json_t *issuer_documents(const struct policyd *p);

#endif
