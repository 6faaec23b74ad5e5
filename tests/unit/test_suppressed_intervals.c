/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/suppressed_intervals.h"

#include "tests/unit/unit.h"

START_TEST(what_lies_in_a_change_of_ours_is_known)
{
	struct suppressed_intervals w = { 0 };

	ck_assert(!suppressed_intervals_contains(&w, 0));
	suppressed_intervals_add(&w, 10, 20);
	suppressed_intervals_add(&w, 30, 30);
	ck_assert(suppressed_intervals_contains(&w, 10) &&
		  suppressed_intervals_contains(&w, 20));
	ck_assert(suppressed_intervals_contains(&w, 30));
	ck_assert(!suppressed_intervals_contains(&w, 9) &&
		  !suppressed_intervals_contains(&w, 21));
}
END_TEST

START_TEST(of_too_many_the_oldest_is_forgotten)
{
	struct suppressed_intervals w = { 0 };

	for (uint64_t i = 0; i <= SUPPRESSED_INTERVALS_MAX; i++)
		suppressed_intervals_add(&w, 10 * i, 10 * i + 5);
	ck_assert(!suppressed_intervals_contains(&w, 3));
	ck_assert(suppressed_intervals_contains(&w, 13));
	ck_assert(suppressed_intervals_contains(
		&w, 10 * SUPPRESSED_INTERVALS_MAX + 1));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, what_lies_in_a_change_of_ours_is_known);
	tcase_add_test(tc, of_too_many_the_oldest_is_forgotten);
}

UNIT_MAIN("suppressed_intervals", add)
