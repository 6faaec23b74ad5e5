/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's audit tree (RFC 9162): its signed heads, and the last one that
 * this machine saw, with which every later one must be consistent.
 */
#ifndef CELLSADM_TREEHEAD_H
#define CELLSADM_TREEHEAD_H

#include <stdint.h>

#include "lib/doc.h"
#include "lib/json.h"

struct adm;
struct envelope;
struct err;

struct treehead {
	uint64_t size;
	uint8_t root[HASH_SIZE];
	int64_t time;
};

/* Tests signature (role director), org and form. */
int treehead_open(const struct doc_root *root, const struct envelope *env,
		  struct treehead *ret, struct err *e);

/*
 * Asks for the newest head, verifies it, demands consistency with the kept one
 * by a proof of the server, and keeps it. *ret_before has size 0 where there
 * was none. err.equivocation: the server shows another history.
 */
int treehead_advance(struct adm *a, struct treehead *ret,
		     struct treehead *ret_before, struct err *e);

/* A list of hashes in hex as proofs have them. */
int treehead_path(const json_t *list, uint8_t ret[][HASH_SIZE],
		  unsigned int *ret_n, struct err *e);

#endif
