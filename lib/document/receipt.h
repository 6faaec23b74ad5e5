/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts (10-policy): statements that the device signs. And the words of
 * their types, once.
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

/* A receipt taken apart; strings borrowed from `json`. */
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

/* Form only: no signature is tested. The caller ends *ret. */
int receipt_parse(const void *payload, size_t len, struct receipt *ret,
		  struct err *e);
void receipt_fini(struct receipt *r);

/*
 * Opens a receipt's envelope: payloadType, signature by `key`, epoch = first 32
 * hex digits of the key's id, form.
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
/* -EINVAL: it is of another type, or misformed. */
int receipt_read_gap(const struct receipt *r, struct receipt_gap *ret,
		     struct err *e);

/*
 * It says what is in force on the device: the set that it applied, and what of
 * it is not enforced. Others of the type `applied` (a root's, a membership's)
 * say nothing of that.
 */
bool receipt_describes(const struct receipt *r);

/* First 32 hex digits of the SHA-256 of the receipt key's SPKI. */
void receipt_epoch(const struct key *k, char ret[33]);

/*
 * The digest of all that is in force: SHA-256 over one line
 * "<type> <id> <version> <sha256:hex>\n" a document, sorted bytewise.
 */
struct receipt_doc {
	const char *type, *id;
	uint32_t version;
	uint8_t digest[HASH_SIZE];
};
void receipt_state_digest(struct receipt_doc *docs, unsigned int n,
			  char ret[72]);

#endif
