/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/ratelimit.h"

#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)

static struct ratelimit l;

static unsigned int take(const char *key, unsigned int n, uint64_t now)
{
	unsigned int got = 0;

	while (n-- > 0)
		got += ratelimit_allow(&l, key, 2, 5, now);
	return got;
}

START_TEST(burst_then_rate)
{
	ratelimit_init(&l);
	ck_assert_uint_eq(take("a", 10, SECOND), 5);
	ck_assert_uint_eq(take("a", 10, 2 * SECOND), 2);
	ck_assert_uint_eq(take("a", 10, 100 * SECOND), 5);
}
END_TEST

START_TEST(one_key_does_not_use_up_another_s)
{
	ratelimit_init(&l);
	take("a", 10, SECOND);
	ck_assert_uint_eq(take("b", 10, SECOND), 5);
}
END_TEST

START_TEST(time_that_goes_back_gives_no_more_than_a_burst)
{
	ratelimit_init(&l);
	take("a", 10, 10 * SECOND);
	ck_assert_uint_le(take("a", 20, SECOND), 5);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, burst_then_rate);
	tcase_add_test(tc, one_key_does_not_use_up_another_s);
	tcase_add_test(tc, time_that_goes_back_gives_no_more_than_a_burst);
}

UNIT_MAIN("ratelimit", add)
