/* SPDX-License-Identifier: Apache-2.0 */
/* Against the RFC's definitions, written down a second time as they are
 * there. */
#include "lib/crypto/merkle.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "tests/unit/unit.h"

#include <string.h>

#define SIZES 300

typedef uint8_t hash_t[HASH_SIZE];

static hash_t leaves[SIZES];

/* MTH(D[from:to]), section 2.1.1; each is worked out once. */
static void naive_root(unsigned int from, unsigned int to, hash_t ret)
{
	static hash_t known[SIZES + 1][SIZES + 1];
	static bool is_known[SIZES + 1][SIZES + 1];
	uint8_t both[1 + 2 * HASH_SIZE] = { 1 };
	unsigned int k = 1;

	if (!is_known[from][to] && to - from > 1) {
		while (2 * k < to - from)
			k *= 2;
		naive_root(from, from + k, both + 1);
		naive_root(from + k, to, both + 1 + HASH_SIZE);
		hash_sha256(both, sizeof(both), known[from][to]);
	} else if (!is_known[from][to] && to > from) {
		memcpy(known[from][to], leaves[from], HASH_SIZE);
	} else if (!is_known[from][to]) {
		hash_sha256("", 0, known[from][to]);
	}
	is_known[from][to] = true;
	memcpy(ret, known[from][to], HASH_SIZE);
}

/* PATH(m, D[from:to]), section 2.1.3.1. */
static unsigned int naive_path(unsigned int m, unsigned int from,
			       unsigned int to, hash_t *path)
{
	unsigned int k = 1, n;

	if (to - from == 1)
		return 0;
	while (2 * k < to - from)
		k *= 2;
	if (m < k) {
		n = naive_path(m, from, from + k, path);
		naive_root(from + k, to, path[n]);
	} else {
		n = naive_path(m - k, from + k, to, path);
		naive_root(from, from + k, path[n]);
	}
	return n + 1;
}

/* SUBPROOF(m, D[from:to], b), section 2.1.4.1. */
static unsigned int naive_subproof(unsigned int m, unsigned int from,
				   unsigned int to, bool b, hash_t *path)
{
	unsigned int k = 1, n;

	if (m == to - from) {
		if (b)
			return 0;
		naive_root(from, to, path[0]);
		return 1;
	}
	while (2 * k < to - from)
		k *= 2;
	if (m <= k) {
		n = naive_subproof(m, from, from + k, b, path);
		naive_root(from + k, to, path[n]);
	} else {
		n = naive_subproof(m - k, from + k, to, false, path);
		naive_root(from, from + k, path[n]);
	}
	return n + 1;
}

static unsigned int asked;

static int node_of(void *ctx, unsigned int level, uint64_t number,
		   uint8_t ret[HASH_SIZE])
{
	uint64_t to = (number + 1) << level;

	ck_assert_uint_le(to, *(unsigned int *)ctx);
	naive_root((unsigned int)(number << level), (unsigned int)to, ret);
	asked++;
	return 0;
}

static int no_node(void *ctx, unsigned int level, uint64_t number,
		   uint8_t ret[HASH_SIZE])
{
	return -EIO;
}

/* Two for each level of the tree: what RFC 9162 calls O(log n). */
static void assert_few_were_asked(unsigned int size)
{
	unsigned int levels = 0;

	while (1U << levels < size)
		levels++;
	ck_assert_uint_le(asked, 2 * levels);
	asked = 0;
}

static void setup(void)
{
	for (unsigned int i = 0; i < SIZES; i++)
		merkle_leaf(&i, sizeof(i), leaves[i]);
}

/* The tree that Certificate Transparency's own tests grow, leaf by leaf. */
static const struct {
	const char *leaf, *root;
} known[] = {
	{ "",
	  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
	{ "00",
	  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" },
	{ "10",
	  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77" },
	{ "2021",
	  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" },
	{ "3031",
	  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4" },
	{ "40414243",
	  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef" },
	{ "5051525354555657",
	  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c" },
	{ "606162636465666768696a6b6c6d6e6f",
	  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" },
};

START_TEST(roots_are_the_known_ones)
{
	struct merkle m = { 0 };
	uint8_t root[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];

	merkle_root(&m, root);
	encoding_to_hex(root, HASH_SIZE, hex);
	ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb924"
			      "27ae41e4649b934ca495991b7852b855");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t len = strlen(known[i].leaf) / 2;
		uint8_t entry[16], leaf[HASH_SIZE];

		ck_assert_int_eq(encoding_from_hex(known[i].leaf, entry, len),
				 0);
		merkle_leaf(entry, len, leaf);
		merkle_add(&m, leaf);
		merkle_root(&m, root);
		encoding_to_hex(root, HASH_SIZE, hex);
		ck_assert_str_eq(hex, known[i].root);
	}
}
END_TEST

START_TEST(growing_tree_has_the_naive_root)
{
	struct merkle m = { 0 };

	for (unsigned int n = 0; n <= SIZES; n++) {
		uint8_t want[HASH_SIZE], got[HASH_SIZE];

		naive_root(0, n, want);
		merkle_root(&m, got);
		ck_assert_mem_eq(got, want, HASH_SIZE);
		if (n < SIZES)
			merkle_add(&m, leaves[n]);
	}
}
END_TEST

START_TEST(each_complete_subtree_is_told_once)
{
	struct merkle m = { 0 };
	unsigned int told = 0;

	ck_assert_ptr_null(merkle_completed(&m, 0));
	for (unsigned int n = 0; n < SIZES; n++) {
		const uint8_t *got;
		unsigned int level;

		merkle_add(&m, leaves[n]);
		for (level = 0; (got = merkle_completed(&m, level)); level++) {
			uint8_t want[HASH_SIZE];

			naive_root(n + 1 - (1U << level), n + 1, want);
			ck_assert_mem_eq(got, want, HASH_SIZE);
			told++;
		}
		ck_assert_uint_eq((n + 1) % (1U << level), 1U << (level - 1));
	}
	ck_assert_uint_eq(told,
			  2 * SIZES - (unsigned int)__builtin_popcount(SIZES));
}
END_TEST

START_TEST(inclusion_is_proved_for_each_leaf_of_each_size)
{
	for (unsigned int size = 1; size <= SIZES; size++) {
		uint8_t root[HASH_SIZE];

		naive_root(0, size, root);
		for (unsigned int i = 0; i < size; i++) {
			hash_t path[MERKLE_PATH_MAX], want[MERKLE_PATH_MAX];
			unsigned int n, want_n = naive_path(i, 0, size, want);

			ck_assert_int_eq(merkle_prove_inclusion(node_of, &size,
								i, size, path,
								&n),
					 0);
			assert_few_were_asked(size);
			ck_assert_uint_eq(n, want_n);
			if (n > 0)
				ck_assert_mem_eq(path, want, n * HASH_SIZE);
			ck_assert(merkle_check_inclusion(leaves[i], i, size,
							 (const hash_t *)path,
							 n, root));
		}
	}
}
END_TEST

START_TEST(consistency_is_proved_for_each_pair_of_sizes)
{
	for (unsigned int second = 0; second <= SIZES; second++) {
		uint8_t new[HASH_SIZE];

		naive_root(0, second, new);
		for (unsigned int first = 0; first <= second; first++) {
			hash_t path[MERKLE_PATH_MAX], want[MERKLE_PATH_MAX];
			unsigned int n, want_n;
			uint8_t old[HASH_SIZE];

			naive_root(0, first, old);
			want_n = first == 0 ? 0
					    : naive_subproof(first, 0, second,
							     true, want);
			ck_assert_int_eq(merkle_prove_consistency(
						 node_of, &second, first,
						 second, path, &n),
					 0);
			assert_few_were_asked(second);
			ck_assert_uint_eq(n, want_n);
			if (n > 0)
				ck_assert_mem_eq(path, want, n * HASH_SIZE);
			ck_assert(merkle_check_consistency(
				first, old, second, new, (const hash_t *)path,
				n));
		}
	}
}
END_TEST

/* Nothing near a right proof is one. */
START_TEST(wrong_inclusion_is_refused)
{
	for (unsigned int size = 1; size <= 20; size++) {
		uint8_t root[HASH_SIZE];

		naive_root(0, size, root);
		for (unsigned int i = 0; i < size; i++) {
			hash_t path[MERKLE_PATH_MAX] = { 0 };
			const hash_t *p = (const hash_t *)path;
			unsigned int n = naive_path(i, 0, size, path);

			for (unsigned int k = 0; k < n; k++) {
				path[k][0] ^= 1;
				ck_assert(!merkle_check_inclusion(
					leaves[i], i, size, p, n, root));
				path[k][0] ^= 1;
			}
			for (unsigned int k = 0; k < size; k++)
				ck_assert(k == i || !merkle_check_inclusion(
							    leaves[i], k, size,
							    p, n, root));
			ck_assert(!merkle_check_inclusion(leaves[i], i, size, p,
							  n + 1, root));
			ck_assert(n == 0 ||
				  !merkle_check_inclusion(leaves[i], i, size, p,
							  n - 1, root));
			ck_assert(!merkle_check_inclusion(leaves[i + 1], i,
							  size, p, n, root));
			ck_assert(!merkle_check_inclusion(leaves[i], size, size,
							  p, n, root));
		}
	}
}
END_TEST

START_TEST(wrong_consistency_is_refused)
{
	for (unsigned int second = 1; second <= 20; second++) {
		uint8_t new[HASH_SIZE];

		naive_root(0, second, new);
		for (unsigned int first = 1; first < second; first++) {
			hash_t path[MERKLE_PATH_MAX] = { 0 };
			const hash_t *p = (const hash_t *)path;
			unsigned int n =
				naive_subproof(first, 0, second, true, path);
			uint8_t old[HASH_SIZE];

			naive_root(0, first, old);
			for (unsigned int k = 0; k < n; k++) {
				path[k][31] ^= 1;
				ck_assert(!merkle_check_consistency(
					first, old, second, new, p, n));
				path[k][31] ^= 1;
			}
			ck_assert(!merkle_check_consistency(first, old, second,
							    new, p, n + 1));
			ck_assert(!merkle_check_consistency(first, old, second,
							    new, p, n - 1));
			ck_assert(!merkle_check_consistency(first, new, second,
							    new, p, n));
			ck_assert(!merkle_check_consistency(first, old, second,
							    old, p, n));
			ck_assert(!merkle_check_consistency(second, new, first,
							    old, p, n));
		}
	}
}
END_TEST

START_TEST(proof_outside_of_the_tree_is_refused)
{
	hash_t path[MERKLE_PATH_MAX];
	unsigned int n, size = 5;

	ck_assert_int_eq(merkle_prove_inclusion(node_of, &size, 0, 0, path, &n),
			 -EINVAL);
	ck_assert_int_eq(merkle_prove_inclusion(node_of, &size, 4, 4, path, &n),
			 -EINVAL);
	ck_assert_int_eq(
		merkle_prove_consistency(node_of, &size, 5, 4, path, &n),
		-EINVAL);
	ck_assert_int_eq(merkle_prove_inclusion(no_node, NULL, 0, 4, path, &n),
			 -EIO);
	ck_assert_int_eq(
		merkle_prove_consistency(no_node, NULL, 3, 4, path, &n), -EIO);
}
END_TEST

/* The one leaf of a tree is its root, and needs no path. */
START_TEST(entry_outside_of_the_tree_is_not_in_it)
{
	const hash_t leaf = { 1 };

	ck_assert(merkle_check_inclusion(leaf, 0, 1, NULL, 0, leaf));
	ck_assert(!merkle_check_inclusion(leaf, 1, 1, NULL, 0, leaf));
	ck_assert(!merkle_check_consistency(2, leaf, 1, leaf, NULL, 0));
}
END_TEST

START_TEST(heads_of_one_size_are_one)
{
	const hash_t one = { 1 }, other = { 2 };
	hash_t empty;

	hash_sha256("", 0, empty);
	ck_assert(merkle_check_consistency(3, one, 3, one, NULL, 0));
	ck_assert(!merkle_check_consistency(3, one, 3, other, NULL, 0));
	ck_assert(merkle_check_consistency(0, empty, 3, one, NULL, 0));
	ck_assert(!merkle_check_consistency(0, other, 3, one, NULL, 0));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, roots_are_the_known_ones);
	tcase_add_test(tc, growing_tree_has_the_naive_root);
	tcase_add_test(tc, each_complete_subtree_is_told_once);
	tcase_add_test(tc, inclusion_is_proved_for_each_leaf_of_each_size);
	tcase_add_test(tc, consistency_is_proved_for_each_pair_of_sizes);
	tcase_add_test(tc, wrong_inclusion_is_refused);
	tcase_add_test(tc, wrong_consistency_is_refused);
	tcase_add_test(tc, entry_outside_of_the_tree_is_not_in_it);
	tcase_add_test(tc, heads_of_one_size_are_one);
	tcase_add_test(tc, proof_outside_of_the_tree_is_refused);
}

UNIT_MAIN("merkle", add)
