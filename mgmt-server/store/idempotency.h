/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency-Key: the same request again gets the first answer, for a day. */
#ifndef MGMT_SERVER_STORE_IDEMPOTENCY_H
#define MGMT_SERVER_STORE_IDEMPOTENCY_H

#include <stddef.h>

struct db;
struct err;

/* The key is its token's; all is borrowed. */
struct idempotency_key {
	const char *token, *key; /* the token's id, and what its owner sent */
	const char *path;
	const void *body;
	size_t len;
};

/* 1: it was answered, by *ret_status and *ret_text, which the caller frees;
 * 0: it is new; -ENOTUNIQ: the key came with another path or body. */
int idempotency_find_answer(struct db *db, const struct idempotency_key *k,
			    int *ret_status, char **ret_text, struct err *e);
int idempotency_store_answer(struct db *db, const struct idempotency_key *k,
			     int status, const char *text, struct err *e);

#endif
