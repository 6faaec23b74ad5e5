/* SPDX-License-Identifier: Apache-2.0 */
/* Merkle trees of Certificate Transparency: RFC 9162, section 2.1. */
#ifndef LIB_CRYPTO_MERKLE_H
#define LIB_CRYPTO_MERKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

#define MERKLE_PATH_MAX 64 /* rows of any path[] below */

/* SHA-256(0x00 || entry). */
void merkle_leaf(const void *entry, size_t len, uint8_t ret[HASH_SIZE]);

/*
 * A tree that only grows. It keeps the roots of its complete subtrees, which
 * are sufficient to add a leaf and to compute the root.
 */
struct merkle {
	uint64_t size;
	uint8_t peak[64][HASH_SIZE]; /* one for each bit of size, high to low */
};
/* An empty tree is all zeros. */
void merkle_add(struct merkle *m, const uint8_t leaf[HASH_SIZE]);
void merkle_root(const struct merkle *m, uint8_t ret[HASH_SIZE]);

/*
 * Complete subtrees are numbered at each level: (level, number) is that of the
 * 2^level leaves from number << level on, and (0, number) a leaf. Their roots
 * never change. This is the one that the last merkle_add() completed at that
 * level, which holds the new leaf; NULL: none.
 */
const uint8_t *merkle_completed(const struct merkle *m, unsigned int level);

/* How proofs get at the roots of complete subtrees, 2 log2(size) of them at
 * most: returns 0 or -errno. */
typedef int merkle_node_fn(void *ctx, unsigned int level, uint64_t number,
			   uint8_t ret[HASH_SIZE]);

/* Proof that leaf `index` is in the tree of `size`: *ret_n hashes to path[].
 * -EINVAL: there is no such leaf; else what `node` answers. */
int merkle_prove_inclusion(merkle_node_fn *node, void *ctx, uint64_t index,
			   uint64_t size, uint8_t path[][HASH_SIZE],
			   unsigned int *ret_n);
/* Proof that the tree of `first` leaves is a prefix of that of `second`; the
 * same errors. */
int merkle_prove_consistency(merkle_node_fn *node, void *ctx, uint64_t first,
			     uint64_t second, uint8_t path[][HASH_SIZE],
			     unsigned int *ret_n);

bool merkle_check_inclusion(const uint8_t leaf[HASH_SIZE], uint64_t index,
			    uint64_t size, const uint8_t path[][HASH_SIZE],
			    unsigned int n, const uint8_t root[HASH_SIZE]);
bool merkle_check_consistency(uint64_t first,
			      const uint8_t first_root[HASH_SIZE],
			      uint64_t second,
			      const uint8_t second_root[HASH_SIZE],
			      const uint8_t path[][HASH_SIZE], unsigned int n);

#endif
