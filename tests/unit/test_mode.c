/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision against a second one that is written from the contract's text
 * with sets: of situations in which a rule lets a VP use a class, and of VPs.
 */
#include <cells/mode.h>

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdint.h>

#define VPS 3
#define CLASSES 2
#define COMBINATIONS 6 /* of use and block */

/* A rule as sets: the situations it allows, and whether it blocks others. */
enum { IN_FRONT = 1, IN_BACKGROUND = 2 };

static const unsigned int situations[] = {
	[CELLS_USE_NONE] = 0,
	[CELLS_USE_FRONT] = IN_FRONT,
	[CELLS_USE_ANY] = IN_FRONT | IN_BACKGROUND,
};

static struct cells_right combination(unsigned int n)
{
	struct cells_right r = { (unsigned char)(n / 2),
				 (unsigned char)(n % 2) };

	return r;
}

/* What is in force on one class: per VP, as the code has it. */
struct world {
	unsigned int n;
	struct cells_right right[8];
};

/*
 * The set of VPs that may use the class while `front` is in front (n: nobody):
 * those that may as things are, less all others where the one in front blocks.
 */
static unsigned int reference(const struct world *w, unsigned int front)
{
	unsigned int able_in_front = 0, able_behind = 0, blockers = 0;
	unsigned int in_front = front < w->n ? 1U << front : 0;

	for (unsigned int v = 0; v < w->n; v++) {
		unsigned int s = situations[w->right[v].use];

		able_in_front |= (s & IN_FRONT ? 1U : 0U) << v;
		able_behind |= (s & IN_BACKGROUND ? 1U : 0U) << v;
		blockers |= (w->right[v].block ? 1U : 0U) << v;
	}
	if (blockers & in_front)
		able_behind = 0;
	return (able_in_front & in_front) | (able_behind & ~in_front);
}

static unsigned int decided(const struct world *w, unsigned int front)
{
	static const struct cells_right nothing;
	unsigned int set = 0;

	for (unsigned int v = 0; v < w->n; v++)
		if (cells_allowed(w->right[v], v == front,
				  front < w->n ? w->right[front] : nothing))
			set |= 1U << v;
	return set;
}

static unsigned int power(unsigned int base, unsigned int n)
{
	unsigned int p = 1;

	while (n-- > 0)
		p *= base;
	return p;
}

/* The world number `code` of n VPs: a digit per VP and class. */
static void unpack(unsigned int code, unsigned int n, struct world w[CLASSES])
{
	for (unsigned int c = 0; c < CLASSES; c++) {
		w[c].n = n;
		for (unsigned int v = 0; v < n; v++) {
			w[c].right[v] = combination(code % COMBINATIONS);
			code /= COMBINATIONS;
		}
	}
}

START_TEST(each_small_world_is_decided_as_the_contract_says)
{
	unsigned int n = (unsigned int)_i, worlds = 0;

	for (unsigned int code = 0; code < power(COMBINATIONS, n * CLASSES);
	     code++) {
		struct world w[CLASSES];

		unpack(code, n, w);
		for (unsigned int front = 0; front <= n; front++)
			for (unsigned int c = 0; c < CLASSES; c++)
				if (decided(&w[c], front) !=
				    reference(&w[c], front))
					ck_abort_msg("world %u, front %u, "
						     "class %u",
						     code, front, c);
		worlds++;
	}
	ck_assert_uint_eq(worlds, power(COMBINATIONS, n * CLASSES));
}
END_TEST

/* xorshift64 (Marsaglia 2003): the same worlds in each run. */
static uint64_t state = 88172645463325252U;

static unsigned int draw(unsigned int below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned int)(state >> 33) % below;
}

/* Combined by the code and as sets: situations meet, blocks add up. */
static void combine_both_ways(const struct cells_right *rules, unsigned int n,
			      struct cells_right *ret)
{
	unsigned int allowed = IN_FRONT | IN_BACKGROUND;
	bool blocks = false;

	*ret = rules[0];
	for (unsigned int i = 1; i < n; i++)
		*ret = cells_right_combine(*ret, rules[i]);
	for (unsigned int i = 0; i < n; i++) {
		allowed &= situations[rules[i].use];
		blocks |= rules[i].block == 1;
	}
	ck_assert_uint_eq(situations[ret->use], allowed);
	ck_assert_uint_eq(ret->block, blocks);
}

#define RANDOM_WORLDS 100000
#define POLICIES_MAX 6

START_TEST(random_worlds_of_several_policies_are_decided_alike)
{
	for (unsigned int i = 0; i < RANDOM_WORLDS; i++) {
		struct world w = { .n = 1 + draw(ARRAY_SIZE(w.right)) };

		for (unsigned int v = 0; v < w.n; v++) {
			struct cells_right rules[POLICIES_MAX];
			unsigned int n = 1 + draw(POLICIES_MAX);

			for (unsigned int k = 0; k < n; k++)
				rules[k] = combination(draw(COMBINATIONS));
			combine_both_ways(rules, n, &w.right[v]);
		}
		for (unsigned int front = 0; front <= w.n; front++)
			if (decided(&w, front) != reference(&w, front))
				ck_abort_msg("random world %u, front %u", i,
					     front);
	}
}
END_TEST

/* What more rules do to a world; a digit of COMBINATIONS adds no rule. */
static struct world with_policy(const struct world *w, unsigned int code)
{
	struct world more = *w;

	for (unsigned int v = 0; v < w->n; v++) {
		unsigned int digit = code % (COMBINATIONS + 1);

		if (digit < COMBINATIONS)
			more.right[v] = cells_right_combine(w->right[v],
							    combination(digit));
		code /= COMBINATIONS + 1;
	}
	return more;
}

static void assert_only_takes(const struct world *before,
			      const struct world *after)
{
	for (unsigned int front = 0; front <= before->n; front++)
		if (decided(after, front) & ~decided(before, front))
			ck_abort_msg("a VP may more while %u is in front",
				     front);
}

START_TEST(another_policy_never_permits_what_was_denied)
{
	unsigned int n = (unsigned int)_i;

	for (unsigned int code = 0; code < power(COMBINATIONS, n); code++) {
		struct world w[CLASSES];

		unpack(code, n, w);
		for (unsigned int add = 0; add < power(COMBINATIONS + 1, n);
		     add++) {
			struct world more = with_policy(&w[0], add);

			assert_only_takes(&w[0], &more);
		}
	}
}
END_TEST

START_TEST(random_policies_never_permit_what_was_denied)
{
	for (unsigned int i = 0; i < RANDOM_WORLDS; i++) {
		struct world w = { .n = 1 + draw(ARRAY_SIZE(w.right)) }, more;

		for (unsigned int v = 0; v < w.n; v++)
			w.right[v] = combination(draw(COMBINATIONS));
		more = with_policy(&w, draw(power(COMBINATIONS + 1, w.n)));
		assert_only_takes(&w, &more);
	}
}
END_TEST

/* In which order policies come, and how often, does not matter. */
START_TEST(combining_is_a_meet)
{
	for (unsigned int i = 0; i < COMBINATIONS * COMBINATIONS * COMBINATIONS;
	     i++) {
		struct cells_right a = combination(i % 6);
		struct cells_right b = combination(i / 6 % 6);
		struct cells_right c = combination(i / 36);
		struct cells_right ab = cells_right_combine(a, b);
		struct cells_right ba = cells_right_combine(b, a);
		struct cells_right bc = cells_right_combine(b, c);
		struct cells_right left = cells_right_combine(ab, c);
		struct cells_right right = cells_right_combine(a, bc);
		struct cells_right aa = cells_right_combine(a, a);

		ck_assert(ab.use == ba.use && ab.block == ba.block);
		ck_assert(left.use == right.use && left.block == right.block);
		ck_assert(aa.use == a.use && aa.block == a.block);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc,
			    each_small_world_is_decided_as_the_contract_says, 1,
			    VPS + 1);
	tcase_add_test(tc, random_worlds_of_several_policies_are_decided_alike);
	tcase_add_loop_test(tc, another_policy_never_permits_what_was_denied, 1,
			    VPS + 1);
	tcase_add_test(tc, random_policies_never_permit_what_was_denied);
	tcase_add_test(tc, combining_is_a_meet);
}

UNIT_MAIN("mode", add)
