/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/backoff.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

START_TEST(bound_doubles_up_to_the_limit)
{
	static const uint64_t want[] = { 1000, 2000, 4000, 8000, 10000, 10000 };
	struct backoff b = { .first_ms = 1000, .max_ms = 10000 };

	for (unsigned int i = 0; i < ARRAY_SIZE(want); i++)
		ck_assert_uint_eq(backoff_next(&b, UINT32_MAX), want[i]);
}
END_TEST

START_TEST(jitter_is_full)
{
	struct backoff b = { .first_ms = 1000, .max_ms = 10000 };

	ck_assert_uint_eq(backoff_next(&b, 0), 0);
	ck_assert_uint_eq(backoff_next(&b, UINT32_MAX / 2), 1000);
}
END_TEST

START_TEST(success_starts_over)
{
	struct backoff b = { .first_ms = 1000, .max_ms = 10000 };

	for (int i = 0; i < 10; i++)
		backoff_next(&b, 1);
	backoff_reset(&b);
	ck_assert_uint_eq(backoff_next(&b, UINT32_MAX), 1000);
}
END_TEST

START_TEST(server_sets_the_floor_once)
{
	struct backoff b = { .first_ms = 1000, .max_ms = 10000 };

	backoff_at_least(&b, 30);
	ck_assert_uint_eq(backoff_next(&b, UINT32_MAX), 31000);
	ck_assert_uint_eq(backoff_next(&b, 0), 0);
}
END_TEST

START_TEST(endless_failure_does_not_overflow)
{
	struct backoff b = { .first_ms = 1000, .max_ms = 300000 };

	for (int i = 0; i < 100000; i++)
		ck_assert_uint_le(backoff_next(&b, UINT32_MAX), 300000);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, bound_doubles_up_to_the_limit);
	tcase_add_test(tc, jitter_is_full);
	tcase_add_test(tc, success_starts_over);
	tcase_add_test(tc, server_sets_the_floor_once);
	tcase_add_test(tc, endless_failure_does_not_overflow);
}

UNIT_MAIN("backoff", add)
