/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/password.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#define S UINT64_C(1000000000)

static const struct {
	uint32_t wrong;
	uint64_t seconds;
} delays[] = {
	{ 0, 0 },    { 1, 0 },	   { 2, 0 },
	{ 3, 30 },   { 4, 60 },	   { 5, 120 },
	{ 9, 1920 }, { 10, 3600 }, { UINT32_MAX, 3600 },
};

START_TEST(delays_grow_to_an_hour)
{
	ck_assert_uint_eq(password_get_delay(delays[_i].wrong),
			  delays[_i].seconds);
}
END_TEST

START_TEST(wait_runs_down_with_the_boot_clock)
{
	const struct store_counter c = { .wrong = 3, .boot_ns = 100 * S };

	ck_assert_uint_eq(password_get_wait(&c, 100 * S), 30 * S);
	ck_assert_uint_eq(password_get_wait(&c, 129 * S), 1 * S);
	ck_assert_uint_eq(password_get_wait(&c, 130 * S), 0);
}
END_TEST

/* A power cycle must not be quicker than waiting. */
START_TEST(boot_clock_that_began_anew_waits_all_again)
{
	const struct store_counter c = { .wrong = 3, .boot_ns = 100 * S };

	ck_assert_uint_eq(password_get_wait(&c, 5 * S), 30 * S);
}
END_TEST

START_TEST(no_wrong_try_no_wait)
{
	const struct store_counter c = { .wrong = 0, .boot_ns = 100 * S };

	ck_assert_uint_eq(password_get_wait(&c, 0), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, delays_grow_to_an_hour, 0, ARRAY_SIZE(delays));
	tcase_add_test(tc, wait_runs_down_with_the_boot_clock);
	tcase_add_test(tc, boot_clock_that_began_anew_waits_all_again);
	tcase_add_test(tc, no_wrong_try_no_wait);
}

UNIT_MAIN("password", add)
