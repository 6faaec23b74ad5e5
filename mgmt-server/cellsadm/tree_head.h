/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's audit tree (RFC 9162): its signed heads, and the last one that
 * this machine saw, with which every later one must be consistent.
 */
#ifndef CELLSADM_TREE_HEAD_H
#define CELLSADM_TREE_HEAD_H

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

/* The kept one of the chosen server; size 0: there is none. */
int treehead_kept(struct adm *a, struct treehead *ret, struct err *e);
/* Keeps it in its place. `envelope` is borrowed. */
int treehead_keep(struct adm *a, const struct treehead *h, json_t *envelope,
		  struct err *e);

/* The errors of a history that is shorter than, or another than what was seen
 * here: each says what to do. */
int treehead_shrunk(struct err *e, const struct treehead *kept,
		    const struct treehead *now);
int treehead_forked(struct err *e, const struct treehead *kept);

/*
 * Asks for the newest head, verifies it, demands consistency with the kept one
 * by a proof of the server, and keeps it. *ret_before has size 0 where there
 * was none. err.equivocation: the server shows another history.
 */
int treehead_advance(struct adm *a, struct treehead *ret,
		     struct treehead *ret_before, struct err *e);

/* Takes the server's history for what was seen here, though it is shorter or
 * another, after the server wrote down who does so and why. -EINVAL: it
 * continues what was seen. */
int treehead_accept(struct adm *a, const char *reason, struct err *e);

/* How far a history went: entries of the tree, records of a device. */
struct treehead_mark {
	uint64_t size;
	const uint8_t *digest;
};
/* Writes the acceptance into the server's audit. device NULL: of the tree. */
int treehead_tell_restored(struct adm *a, const char *device,
			   const char *reason, const struct treehead_mark *seen,
			   const struct treehead_mark *now, struct err *e);

/* A list of hashes in hex as proofs have them. */
int treehead_path(const json_t *list, uint8_t ret[][HASH_SIZE],
		  unsigned int *ret_n, struct err *e);

#endif
