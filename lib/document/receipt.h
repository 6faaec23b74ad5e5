/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts (10-policy): statements that the device signs, and the names of
 * their types.
 */
#ifndef LIB_DOCUMENT_RECEIPT_H
#define LIB_DOCUMENT_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/crypto/key.h"
#include "lib/json.h"

#define RECEIPT_TYPE ENVELOPE_TYPE_JSON("receipt")

struct envelope;
struct err;

enum receipt_type {
	RECEIPT_APPLIED,
	RECEIPT_REFUSED,
	RECEIPT_REVOKED,
	RECEIPT_SWITCHED,
	RECEIPT_LOCKED,
	RECEIPT_UNLOCKED,
	RECEIPT_WIPED,
	RECEIPT_REMOVED,
	RECEIPT_STARTED,
	RECEIPT_STOPPED,
	RECEIPT_START_FAILED,
	RECEIPT_DAMAGED,
	RECEIPT_GAP,
	RECEIPT_TYPE_COUNT,
};

/* "applied"; static. */
const char *receipt_type_name(enum receipt_type t);

/* A parsed receipt; strings are borrowed from `json`. */
struct receipt {
	json_t *json; /* owned */
	enum receipt_type type;
	const char *device, *epoch, *time, *vp, *reason, *enforcement, *state;
	const char *prev; /* digest of the payload before; NULL: not given */
	int64_t seq;
	int64_t audit_seq;
	const char *audit_head;
	json_t *document; /* {"type","id","version","sha256"} or NULL */
	json_t *details;  /* object, never NULL */
};

/* Parses a receipt without verifying signatures. The caller ends *ret. */
int receipt_parse(const void *payload, size_t len, struct receipt *ret,
		  struct err *e);
void receipt_fini(struct receipt *r);

/*
 * Opens the envelope of a receipt and checks the payloadType, the signature of
 * `key`, the epoch (the first 32 hex digits of the key's id) and the form.
 */
int receipt_open(const struct envelope *env, const struct key *key,
		 struct receipt *ret, struct err *e);

/*
 * The details of a receipt of the type gap: the entries from..to of a stream
 * that the device can no longer send. `digest` is that of the entry `to`: the
 * `prev` of the next one.
 */
struct receipt_gap {
	bool is_audit; /* else of the receipts */
	int64_t from, to;
	uint8_t digest[HASH_SIZE];
	const char *cause; /* borrowed from the receipt */
};
/* -EINVAL: it has another type, or is malformed. */
int receipt_read_gap(const struct receipt *r, struct receipt_gap *ret,
		     struct err *e);

/*
 * Does the receipt state which documents are in force: the applied set, and
 * what of it is not enforced? Other receipts of the type `applied` (of a root
 * or a membership) do not.
 */
bool receipt_describes(const struct receipt *r);

/* First 32 hex digits of the SHA-256 of the receipt key's SPKI. */
void receipt_epoch(const struct key *k, char ret[33]);

/*
 * The digest of all documents in force: SHA-256 of one line "<type> <id>
 * <version> <sha256:hex>\n" for each document, sorted bytewise.
 */
struct receipt_doc {
	const char *type, *id;
	uint32_t version;
	uint8_t digest[HASH_SIZE];
};
void receipt_state_digest(struct receipt_doc *docs, unsigned int n,
			  char ret[72]);

#endif
