/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/merkle.h"

#include <errno.h>
#include <string.h>

#define SIZE_MAX_TREE (UINT64_C(1) << 62)

void merkle_leaf(const void *entry, size_t len, uint8_t ret[HASH_SIZE])
{
	const uint8_t prefix = 0;
	struct hash h;

	hash_init(&h);
	hash_add(&h, &prefix, 1);
	hash_add(&h, entry, len);
	hash_end(&h, ret);
}

/* ret may be one of the two. */
static void hash_children(const uint8_t left[HASH_SIZE],
			  const uint8_t right[HASH_SIZE],
			  uint8_t ret[HASH_SIZE])
{
	uint8_t both[1 + 2 * HASH_SIZE] = { 1 };

	memcpy(both + 1, left, HASH_SIZE);
	memcpy(both + 1 + HASH_SIZE, right, HASH_SIZE);
	hash_sha256(both, sizeof(both), ret);
}

static unsigned int count_peaks(uint64_t size)
{
	return (unsigned int)__builtin_popcountll(size);
}

void merkle_add(struct merkle *m, const uint8_t leaf[HASH_SIZE])
{
	unsigned int n = count_peaks(m->size);

	/* As adding one to a binary number: each carry joins two subtrees. */
	memcpy(m->peak[n], leaf, HASH_SIZE);
	for (uint64_t carry = m->size; carry & 1; carry >>= 1, n--)
		hash_children(m->peak[n - 1], m->peak[n], m->peak[n - 1]);
	m->size++;
}

void merkle_root(const struct merkle *m, uint8_t ret[HASH_SIZE])
{
	unsigned int n = count_peaks(m->size);

	if (n == 0) {
		hash_sha256("", 0, ret);
		return;
	}
	memcpy(ret, m->peak[n - 1], HASH_SIZE);
	for (unsigned int i = n - 1; i > 0; i--)
		hash_children(m->peak[i - 1], ret, ret);
}

/* Each carry wrote one place further to the left, and what it joined stays. */
const uint8_t *merkle_completed(const struct merkle *m, unsigned int level)
{
	unsigned int carries;

	if (m->size == 0)
		return NULL;
	carries = (unsigned int)__builtin_ctzll(m->size);
	return level > carries
		       ? NULL
		       : m->peak[count_peaks(m->size) - 1 + carries - level];
}

/*
 * MTH(D[from:to]) of the RFC. `from` is a multiple of the power of two that
 * to - from does not exceed, so the range is a row of complete subtrees, from
 * the largest to the smallest.
 */
static int hash_subtree_range(merkle_node_fn *node, void *ctx, uint64_t from,
			      uint64_t to, uint8_t ret[HASH_SIZE])
{
	struct merkle m = { .size = to - from };
	unsigned int n = 0;

	for (int level = 63; level >= 0; level--) {
		int r;

		if (!(m.size >> level & 1))
			continue;
		r = node(ctx, (unsigned int)level, from >> level, m.peak[n++]);
		if (r < 0)
			return r;
		from += UINT64_C(1) << level;
	}
	merkle_root(&m, ret);
	return 0;
}

/* The largest power of two below n; n > 1. */
static uint64_t get_split_point(uint64_t n)
{
	return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* The proofs are found from the root down, and written from the leaf up. */
static void reverse_proof_path(uint8_t path[][HASH_SIZE], unsigned int n)
{
	for (unsigned int i = 0; i < n / 2; i++) {
		uint8_t swap[HASH_SIZE];

		memcpy(swap, path[i], HASH_SIZE);
		memcpy(path[i], path[n - 1 - i], HASH_SIZE);
		memcpy(path[n - 1 - i], swap, HASH_SIZE);
	}
}

/* A tree on the way down to one leaf: [from, to) of all leaves. */
struct leaf_range {
	uint64_t from, to;
};

/* Steps into the half that leaf `index` is in, and hashes the other. */
static int descend_to_leaf(merkle_node_fn *node, void *ctx, uint64_t index,
			   struct leaf_range *p, uint8_t ret[HASH_SIZE])
{
	uint64_t middle = p->from + get_split_point(p->to - p->from);
	const struct leaf_range whole = *p;

	if (index < middle) {
		p->to = middle;
		return hash_subtree_range(node, ctx, middle, whole.to, ret);
	}
	p->from = middle;
	return hash_subtree_range(node, ctx, whole.from, middle, ret);
}

int merkle_prove_inclusion(merkle_node_fn *node, void *ctx, uint64_t index,
			   uint64_t size, uint8_t path[][HASH_SIZE],
			   unsigned int *ret_n)
{
	struct leaf_range p = { 0, size };
	unsigned int n = 0;

	if (index >= size || size > SIZE_MAX_TREE)
		return -EINVAL;
	while (p.to - p.from > 1) {
		int r = descend_to_leaf(node, ctx, index, &p, path[n++]);

		if (r < 0)
			return r;
	}
	reverse_proof_path(path, n);
	*ret_n = n;
	return 0;
}

int merkle_prove_consistency(merkle_node_fn *node, void *ctx, uint64_t first,
			     uint64_t second, uint8_t path[][HASH_SIZE],
			     unsigned int *ret_n)
{
	struct leaf_range p = { 0, second };
	unsigned int n = 0;
	int r;

	if (first > second || second > SIZE_MAX_TREE)
		return -EINVAL;
	if (first == 0) {
		*ret_n = 0;
		return 0;
	}
	/* SUBPROOF of the RFC, where `first` is an index from the left end. */
	while (first != p.to) {
		r = descend_to_leaf(node, ctx, first - 1, &p, path[n++]);
		if (r < 0)
			return r;
	}
	/* A subtree at the left end is the old root, which is known. */
	if (p.from != 0) {
		r = hash_subtree_range(node, ctx, p.from, p.to, path[n++]);
		if (r < 0)
			return r;
	}
	reverse_proof_path(path, n);
	*ret_n = n;
	return 0;
}

/* The position of a walk from a leaf to the root: its node and the last one. */
struct path_walk {
	uint64_t fn, sn;
};

/* Is the next hash of the path to the left? Goes up in any case. */
static bool ascend_has_left_sibling(struct path_walk *w)
{
	bool left = (w->fn & 1) || w->fn == w->sn;

	while (left && !(w->fn & 1) && w->fn != 0) {
		w->fn >>= 1;
		w->sn >>= 1;
	}
	w->fn >>= 1;
	w->sn >>= 1;
	return left;
}

bool merkle_check_inclusion(const uint8_t leaf[HASH_SIZE], uint64_t index,
			    uint64_t size, const uint8_t path[][HASH_SIZE],
			    unsigned int n, const uint8_t root[HASH_SIZE])
{
	struct path_walk w = { index, size - 1 };
	uint8_t hash[HASH_SIZE];

	if (index >= size)
		return false;
	memcpy(hash, leaf, HASH_SIZE);
	for (unsigned int i = 0; i < n; i++) {
		if (w.sn == 0)
			return false;
		if (ascend_has_left_sibling(&w))
			hash_children(path[i], hash, hash);
		else
			hash_children(hash, path[i], hash);
	}
	return w.sn == 0 && hash_compare(hash, root, HASH_SIZE) == 0;
}

/* Of first < second, first not 0. */
static bool
check_consistency_path(uint64_t first, const uint8_t first_root[HASH_SIZE],
		       uint64_t second, const uint8_t second_root[HASH_SIZE],
		       const uint8_t path[][HASH_SIZE], unsigned int n)
{
	/* A power of two: the walk starts at the old root itself. */
	bool starts_known = (first & (first - 1)) == 0;
	struct path_walk w = { first - 1, second - 1 };
	uint8_t old[HASH_SIZE], new[HASH_SIZE];

	if (n == 0)
		return false;
	while (w.fn & 1) {
		w.fn >>= 1;
		w.sn >>= 1;
	}
	memcpy(old, starts_known ? first_root : path[0], HASH_SIZE);
	memcpy(new, old, HASH_SIZE);
	for (unsigned int i = starts_known ? 0 : 1; i < n; i++) {
		if (w.sn == 0)
			return false;
		if (ascend_has_left_sibling(&w)) {
			hash_children(path[i], old, old);
			hash_children(path[i], new, new);
		} else {
			hash_children(new, path[i], new);
		}
	}
	return w.sn == 0 && hash_compare(old, first_root, HASH_SIZE) == 0 &&
	       hash_compare(new, second_root, HASH_SIZE) == 0;
}

bool merkle_check_consistency(uint64_t first,
			      const uint8_t first_root[HASH_SIZE],
			      uint64_t second,
			      const uint8_t second_root[HASH_SIZE],
			      const uint8_t path[][HASH_SIZE], unsigned int n)
{
	uint8_t empty[HASH_SIZE];

	if (first > second)
		return false;
	if (first == second)
		return n == 0 &&
		       hash_compare(first_root, second_root, HASH_SIZE) == 0;
	if (first == 0) {
		hash_sha256("", 0, empty);
		return n == 0 &&
		       hash_compare(first_root, empty, HASH_SIZE) == 0;
	}
	return check_consistency_path(first, first_root, second, second_root,
				      path, n);
}
