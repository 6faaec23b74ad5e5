/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/securetime.h"

#include "tests/unit/unit.h"

#include <string.h>

#define S UINT64_C(1000000000)
#define ISSUED 1795161600

static struct securetime started(const char *saved, const char *boot,
				 uint64_t boot_ns)
{
	struct securetime t;

	securetime_start(&t, saved, boot, boot_ns);
	return t;
}

/* Saved at boot_ns, and read again by the next start. */
static struct securetime restarted(const struct securetime *t,
				   uint64_t saved_ns, const char *boot,
				   uint64_t boot_ns)
{
	char text[SECURETIME_TEXT_SIZE];

	securetime_text(t, saved_ns, text);
	return started(text, boot, boot_ns);
}

START_TEST(nothing_is_known_at_first)
{
	struct securetime t = started("", "a", 5 * S);

	ck_assert_int_eq(securetime_now(&t, 100 * S), 0);
}
END_TEST

static const char *const bad_texts[] = { "", "x", "1 2", "1 2 3 4",
					 "- - - - -" };

START_TEST(what_is_no_saved_time_is_nothing)
{
	struct securetime t = started(bad_texts[_i], "a", 5 * S);

	ck_assert_int_eq(securetime_now(&t, 6 * S), 0);
}
END_TEST

START_TEST(boot_clock_advances_it)
{
	struct securetime t = started("", "a", 5 * S);

	securetime_snapshot(&t, ISSUED, 10 * S);
	ck_assert_int_eq(securetime_now(&t, 10 * S), ISSUED);
	ck_assert_int_eq(securetime_now(&t, 3610 * S), ISSUED + 3600);
}
END_TEST

START_TEST(older_snapshot_does_not_set_it_back)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED, 10 * S);
	securetime_snapshot(&t, ISSUED - 5000, 20 * S);
	ck_assert_int_eq(securetime_now(&t, 20 * S), ISSUED + 10);
	/* newer, but behind what was measured since */
	securetime_snapshot(&t, ISSUED + 5, 30 * S);
	ck_assert_int_eq(securetime_now(&t, 30 * S), ISSUED + 20);
}
END_TEST

START_TEST(each_boot_adds_five_minutes)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED, 10 * S);
	t = restarted(&t, 10 * S, "b", 1 * S);
	ck_assert_int_eq(securetime_now(&t, 1 * S), ISSUED + SECURETIME_STEP);
	t = restarted(&t, 2 * S, "c", 1 * S);
	ck_assert_int_ge(securetime_now(&t, 1 * S),
			 ISSUED + 2 * SECURETIME_STEP);
}
END_TEST

/* The program dies again and again while the device stays up. */
START_TEST(restarts_in_one_boot_add_them_once)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED, 10 * S);
	for (unsigned int i = 1; i <= 200; i++)
		t = restarted(&t, (10 + i) * S, "a", (10 + i) * S);
	ck_assert_int_eq(securetime_now(&t, 210 * S),
			 ISSUED + 200 + SECURETIME_STEP);
}
END_TEST

START_TEST(time_while_the_program_was_away_counts)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED, 10 * S);
	t = restarted(&t, 10 * S, "a", 7210 * S);
	ck_assert_int_eq(securetime_measured(&t, 7210 * S), ISSUED + 7200);
}
END_TEST

START_TEST(boot_clock_that_went_back_is_another_boot)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED, 1000 * S);
	t = restarted(&t, 1000 * S, "a", 5 * S);
	ck_assert_int_eq(securetime_now(&t, 5 * S), ISSUED + SECURETIME_STEP);
}
END_TEST

/* Else a device that is switched on often could never take a snapshot again. */
START_TEST(fresh_snapshot_takes_the_additions_back)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED, 0);
	for (unsigned int i = 0; i < 500; i++)
		t = restarted(&t, 1 * S, i % 2 ? "a" : "b", 0);
	ck_assert_int_gt(securetime_now(&t, 0), ISSUED + 24 * 3600);
	securetime_snapshot(&t, ISSUED + 12 * 3600, 0);
	ck_assert_int_eq(securetime_now(&t, 0), ISSUED + 12 * 3600);
}
END_TEST

START_TEST(reset_may_set_it_back)
{
	struct securetime t = started("", "a", 0);

	securetime_snapshot(&t, ISSUED + 300 * 86400, 0);
	securetime_reset(&t, ISSUED, 0);
	ck_assert_int_eq(securetime_now(&t, 0), ISSUED);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nothing_is_known_at_first);
	tcase_add_loop_test(tc, what_is_no_saved_time_is_nothing, 0, 5);
	tcase_add_test(tc, boot_clock_advances_it);
	tcase_add_test(tc, older_snapshot_does_not_set_it_back);
	tcase_add_test(tc, each_boot_adds_five_minutes);
	tcase_add_test(tc, restarts_in_one_boot_add_them_once);
	tcase_add_test(tc, time_while_the_program_was_away_counts);
	tcase_add_test(tc, boot_clock_that_went_back_is_another_boot);
	tcase_add_test(tc, fresh_snapshot_takes_the_additions_back);
	tcase_add_test(tc, reset_may_set_it_back);
}

UNIT_MAIN("securetime", add)
