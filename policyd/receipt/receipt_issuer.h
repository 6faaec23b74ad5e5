/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts: written in the transaction of the change that they report,
 * numbered without gaps, signed when the agent asks for them (the signature
 * needs nothing that is not in the payload).
 */
#ifndef POLICYD_RECEIPT_RECEIPT_ISSUER_H
#define POLICYD_RECEIPT_RECEIPT_ISSUER_H

#include "lib/document/receipt.h"
#include "lib/json.h"
#include "lib/reason.h"

/* The oldest go when there are more, first those that the server has. */
#define RECEIPT_ISSUER_BYTES_MAX (INT64_C(64) * 1024 * 1024)

struct doc_head;
struct err;
struct recorder;

struct receipt_issuer_fields {
	enum receipt_type type;
	enum reason reason;
	const char *vp;			    /* NULL: none */
	const struct receipt_doc *document; /* NULL: none */
	json_t *details; /* owned: receipt_issuer_write() takes it */
};

/*
 * The reference stolen from `details` also when it fails. *ret_seq may be NULL.
 * Nothing is written by a device that is not enrolled.
 */
int receipt_issuer_write(const struct recorder *rec,
			 const struct receipt_issuer_fields *r,
			 int64_t *ret_seq, struct err *e);

/* Writes a receipt again in another place: number, predecessor and the audit's
 * position are those of now; the caller has moved the counters. */
int receipt_issuer_renumber(const struct recorder *rec, const char *payload,
			    struct err *e);

/* The digest that the next receipt names as `prev`. */
int receipt_issuer_set_prev(const struct recorder *rec,
			    const uint8_t digest[HASH_SIZE], struct err *e);

/* The next one will delete none. Inside a transaction. */
int receipt_issuer_make_room(const struct recorder *rec, struct err *e);

/* Signs a payload as it was written. The caller frees *ret. */
int receipt_issuer_sign(const struct recorder *rec, const char *payload,
			char **ret, struct err *e);

/* How receipts name a document; type and id are borrowed from the head. */
struct receipt_doc receipt_issuer_describe_document(const struct doc_head *h);

/* The digest of all that is in force. */
void receipt_issuer_get_state_digest(const struct recorder *rec, char ret[72]);

/* [{"type","id","version","sha256"}] of the documents in force; NULL: no
 * memory. */
json_t *receipt_issuer_list_documents(const struct recorder *rec);

#endif
