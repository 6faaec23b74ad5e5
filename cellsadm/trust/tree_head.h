/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's audit tree (RFC 9162): its signed heads, and the last head that
 * this machine has seen. Each later head must be consistent with it.
 */
#ifndef CELLSADM_TRUST_TREE_HEAD_H
#define CELLSADM_TRUST_TREE_HEAD_H

#include <stdint.h>

#include "lib/document/doc.h"
#include "lib/json.h"

struct adm;
struct envelope;
struct err;

struct tree_head {
	uint64_t size;
	uint8_t root[HASH_SIZE];
	int64_t time;
};

/* Tests signature (role director), org and form. */
int tree_head_open(const struct doc_root *root, const struct envelope *env,
		   struct tree_head *ret, struct err *e);

/* The kept one of the chosen server; size 0: there is none. */
int tree_head_load(struct adm *a, struct tree_head *ret, struct err *e);
/* Keeps it in its place. `envelope` is borrowed. */
int tree_head_save(struct adm *a, const struct tree_head *h, json_t *envelope,
		   struct err *e);

/* The errors of a history that is shorter than, or another than what was seen
 * here: each says what to do. */
int tree_head_report_shrunk(struct err *e, const struct tree_head *kept,
			    const struct tree_head *now);
int tree_head_report_forked(struct err *e, const struct tree_head *kept);

/*
 * Asks for the newest head, verifies it, demands consistency with the kept one
 * by a proof of the server, and keeps it. *ret_before has size 0 where there
 * was none. err.equivocation: the server shows another history.
 */
int tree_head_advance(struct adm *a, struct tree_head *ret,
		      struct tree_head *ret_before, struct err *e);

/*
 * Accepts the server's history although it is shorter than, or different from,
 * the one seen here, after the server has recorded who accepts it and why.
 * -EINVAL: it continues the history seen here.
 */
int tree_head_accept(struct adm *a, const char *reason, struct err *e);

/* How far a history went: entries of the tree, records of a device. */
struct tree_head_mark {
	uint64_t size;
	const uint8_t *digest;
};
/* Writes the acceptance into the server's audit. device NULL: of the tree. */
int tree_head_record_restore(struct adm *a, const char *device,
			     const char *reason,
			     const struct tree_head_mark *seen,
			     const struct tree_head_mark *now, struct err *e);

/* A list of hashes in hex as proofs have them. */
int tree_head_parse_path(const json_t *list, uint8_t ret[][HASH_SIZE],
			 unsigned int *ret_n, struct err *e);

#endif
