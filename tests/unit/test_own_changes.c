/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/own_changes.h"

#include "tests/unit/unit.h"

START_TEST(what_lies_in_a_change_of_ours_is_known)
{
	struct own_changes w = { 0 };

	ck_assert(!own_changes_contains(&w, 0));
	own_changes_add(&w, 10, 20);
	own_changes_add(&w, 30, 30);
	ck_assert(own_changes_contains(&w, 10) && own_changes_contains(&w, 20));
	ck_assert(own_changes_contains(&w, 30));
	ck_assert(!own_changes_contains(&w, 9) &&
		  !own_changes_contains(&w, 21));
}
END_TEST

START_TEST(of_too_many_the_oldest_is_forgotten)
{
	struct own_changes w = { 0 };

	for (uint64_t i = 0; i <= OWN_CHANGES_MAX; i++)
		own_changes_add(&w, 10 * i, 10 * i + 5);
	ck_assert(!own_changes_contains(&w, 3));
	ck_assert(own_changes_contains(&w, 13));
	ck_assert(own_changes_contains(&w, 10 * OWN_CHANGES_MAX + 1));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, what_lies_in_a_change_of_ours_is_known);
	tcase_add_test(tc, of_too_many_the_oldest_is_forgotten);
}

UNIT_MAIN("own_changes", add)
