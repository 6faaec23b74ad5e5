/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/secure_time.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

#define S UINT64_C(1000000000)
#define ISSUED 1795161600
#define WALL (ISSUED + 7)
#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)

static struct secure_time started(const char *saved, const char *boot,
				  uint64_t boot_ns)
{
	struct secure_time t;

	secure_time_start(&t, saved, boot, boot_ns, WALL);
	return t;
}

/* Saved at boot_ns, and read again by the next start. */
static struct secure_time restarted(const struct secure_time *t,
				    uint64_t saved_ns, const char *boot,
				    uint64_t boot_ns)
{
	char text[SECURE_TIME_TEXT_SIZE];

	secure_time_format(t, saved_ns, WALL, text);
	return started(text, boot, boot_ns);
}

static void snapshot(struct secure_time *t, int64_t issued, uint64_t boot_ns)
{
	secure_time_set_snapshot(t, issued, issued + DAY, boot_ns);
}

/* Switched off, and on again so long later. */
static struct secure_time switched_on(const struct secure_time *t,
				      uint64_t saved_ns, int64_t later)
{
	char text[SECURE_TIME_TEXT_SIZE];
	struct secure_time next;

	secure_time_format(t, saved_ns, WALL, text);
	secure_time_start(&next, text, "next", 10 * S, WALL + later);
	return next;
}

START_TEST(nothing_is_known_at_first)
{
	struct secure_time t = started("", "a", 5 * S);

	ck_assert_int_eq(secure_time_get_presumed(&t, 100 * S), 0);
}
END_TEST

static const char *const bad_texts[] = { "", "x", "1 2", "1 2 3 4",
					 "- - - - -" };

START_TEST(what_is_no_saved_time_is_nothing)
{
	struct secure_time t = started(bad_texts[_i], "a", 5 * S);

	ck_assert_int_eq(secure_time_get_presumed(&t, 6 * S), 0);
}
END_TEST

START_TEST(boot_clock_advances_it)
{
	struct secure_time t = started("", "a", 5 * S);

	snapshot(&t, ISSUED, 10 * S);
	ck_assert_int_eq(secure_time_get_presumed(&t, 10 * S), ISSUED);
	ck_assert_int_eq(secure_time_get_presumed(&t, 3610 * S), ISSUED + 3600);
}
END_TEST

START_TEST(older_snapshot_does_not_set_it_back)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 10 * S);
	snapshot(&t, ISSUED - 5000, 20 * S);
	ck_assert_int_eq(secure_time_get_presumed(&t, 20 * S), ISSUED + 10);
	/* newer, but behind what was measured since */
	snapshot(&t, ISSUED + 5, 30 * S);
	ck_assert_int_eq(secure_time_get_presumed(&t, 30 * S), ISSUED + 20);
}
END_TEST

START_TEST(each_boot_adds_five_minutes)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 10 * S);
	t = restarted(&t, 10 * S, "b", 1 * S);
	ck_assert_int_eq(secure_time_get_presumed(&t, 1 * S),
			 ISSUED + 1 + SECURE_TIME_STEP);
	t = restarted(&t, 2 * S, "c", 1 * S);
	ck_assert_int_ge(secure_time_get_presumed(&t, 1 * S),
			 ISSUED + 2 * SECURE_TIME_STEP);
}
END_TEST

/* The program dies again and again while the device stays up. */
START_TEST(restarts_in_one_boot_add_them_once)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 10 * S);
	for (unsigned int i = 1; i <= 200; i++)
		t = restarted(&t, (10 + i) * S, "a", (10 + i) * S);
	ck_assert_int_eq(secure_time_get_presumed(&t, 210 * S),
			 ISSUED + 200 + SECURE_TIME_STEP);
}
END_TEST

START_TEST(time_while_the_program_was_away_counts)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 10 * S);
	t = restarted(&t, 10 * S, "a", 7210 * S);
	ck_assert_int_eq(secure_time_get_confirmed(&t, 7210 * S),
			 ISSUED + 7200);
}
END_TEST

START_TEST(boot_clock_that_went_back_is_another_boot)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 1000 * S);
	t = restarted(&t, 1000 * S, "a", 5 * S);
	ck_assert_int_eq(secure_time_get_presumed(&t, 5 * S),
			 ISSUED + SECURE_TIME_STEP);
}
END_TEST

START_TEST(fresh_snapshot_takes_the_additions_back)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	for (unsigned int i = 0; i < 500; i++)
		t = restarted(&t, 0, i % 2 ? "a" : "b", 0);
	ck_assert_int_gt(secure_time_get_presumed(&t, 0), ISSUED + DAY);
	snapshot(&t, ISSUED + 12 * HOUR, 0);
	ck_assert_int_eq(secure_time_get_presumed(&t, 0), ISSUED + 12 * HOUR);
}
END_TEST

/* Else a device that is switched on often takes no snapshot any more. */
START_TEST(quick_starts_confirm_nothing)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	for (unsigned int i = 0; i < 290; i++)
		t = restarted(&t, 0, i % 2 ? "a" : "b", 0);
	ck_assert_int_eq(secure_time_get_confirmed(&t, 0), ISSUED);
	ck_assert_int_lt(secure_time_get_silence(&t, 0, true), 0);
}
END_TEST

START_TEST(what_another_boot_has_run_counts)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	t = restarted(&t, 100 * S, "b", 50 * S);
	ck_assert_int_eq(secure_time_get_confirmed(&t, 60 * S), ISSUED + 160);
	ck_assert_int_eq(secure_time_get_total_uptime(&t, 60 * S), 160);
}
END_TEST

/* ---- without word: by what the device measured */
START_TEST(silence_is_measured)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	ck_assert_int_eq(secure_time_get_silence(&t, 0, false), -DAY);
	ck_assert_int_eq(secure_time_get_silence(&t, 25 * HOUR * S, false),
			 HOUR);
	t = restarted(&t, 20 * HOUR * S, "b", 6 * HOUR * S);
	ck_assert_int_eq(secure_time_get_silence(&t, 6 * HOUR * S, false),
			 2 * HOUR);
}
END_TEST

/* A director who moves time ahead, by any number of snapshots. */
START_TEST(snapshot_issued_ahead_makes_no_silence)
{
	struct secure_time t = started("", "a", 0);
	int64_t group = ISSUED + 20 * DAY;

	snapshot(&t, ISSUED, 0);
	for (int64_t days = 1; days <= 61; days++) {
		snapshot(&t, ISSUED + days * DAY, 0);
		ck_assert_int_le(secure_time_get_silence(&t, 0, true), 0);
		ck_assert_int_lt(secure_time_get_lapse(&t, group, 0, true), 0);
	}
	ck_assert_int_eq(secure_time_get_confirmed(&t, 0), ISSUED + 61 * DAY);
	ck_assert_int_eq(secure_time_get_lapse(&t, group, 21 * DAY * S, false),
			 DAY);
}
END_TEST

/* Nothing measured it before the first snapshot. */
START_TEST(group_lapsed_no_longer_than_it_is_known)
{
	struct secure_time t = started("", "a", 0);

	ck_assert_int_lt(secure_time_get_lapse(&t, ISSUED, 0, false), 0);
	snapshot(&t, ISSUED + 400 * DAY, 0);
	ck_assert_int_eq(secure_time_get_lapse(&t, ISSUED, HOUR * S, false),
			 HOUR);
}
END_TEST

START_TEST(time_off_locks_and_never_wipes)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	t = switched_on(&t, HOUR * S, 100 * HOUR);
	ck_assert_int_eq(secure_time_get_silence(&t, 10 * S, true), 77 * HOUR);
	ck_assert_int_eq(secure_time_get_silence(&t, 10 * S, false),
			 -23 * HOUR + 10);
	ck_assert_int_eq(secure_time_get_lapse(&t, ISSUED + DAY, 10 * S, true),
			 77 * HOUR);
	ck_assert_int_lt(secure_time_get_lapse(&t, ISSUED + DAY, 10 * S, false),
			 0);
}
END_TEST

static const int64_t lies[] = { -5 * DAY, 0, 10, 5000 * DAY };

START_TEST(hardware_clock_that_lies_adds_nothing)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	t = switched_on(&t, 0, lies[_i]);
	ck_assert_int_eq(t.measured.off, 0);
}
END_TEST

START_TEST(clock_set_while_it_runs_adds_nothing)
{
	struct secure_time t = started("", "a", 0), next;
	char text[SECURE_TIME_TEXT_SIZE];

	snapshot(&t, ISSUED, 0);
	secure_time_format(&t, HOUR * S, WALL, text);
	secure_time_start(&next, text, "a", 2 * HOUR * S, WALL + 50 * HOUR);
	ck_assert_int_eq(secure_time_get_silence(&next, 2 * HOUR * S, true),
			 -22 * HOUR);
}
END_TEST

/* A root is word of the organisation; it makes no snapshot live longer. */
START_TEST(root_is_a_contact)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	secure_time_set_contact(&t, 10 * HOUR * S);
	ck_assert_int_eq(secure_time_get_silence(&t, 10 * HOUR * S, true),
			 -14 * HOUR);
	secure_time_set_contact(&t, 100 * HOUR * S);
	ck_assert_int_eq(secure_time_get_silence(&t, 100 * HOUR * S, true), 0);
}
END_TEST

/* However old its signature. */
START_TEST(recovery_is_a_contact_and_forgets_no_greatest_time)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED, 0);
	snapshot(&t, ISSUED + 300 * DAY, 0);
	secure_time_reset(&t, ISSUED - 90 * DAY, 100 * DAY * S);
	ck_assert_int_eq(secure_time_get_silence(&t, 100 * DAY * S, true), 0);
	ck_assert_int_lt(secure_time_get_lapse(&t, ISSUED, 100 * DAY * S, true),
			 0);
	ck_assert_int_eq(secure_time_get_greatest(&t, 100 * DAY * S),
			 ISSUED + 400 * DAY);
	t = restarted(&t, 100 * DAY * S, "a", 100 * DAY * S);
	ck_assert_int_eq(secure_time_get_greatest(&t, 100 * DAY * S),
			 ISSUED + 400 * DAY);
}
END_TEST

START_TEST(reset_may_set_it_back)
{
	struct secure_time t = started("", "a", 0);

	snapshot(&t, ISSUED + 300 * 86400, 0);
	secure_time_reset(&t, ISSUED, 0);
	ck_assert_int_eq(secure_time_get_presumed(&t, 0), ISSUED);
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
	tcase_add_test(tc, quick_starts_confirm_nothing);
	tcase_add_test(tc, what_another_boot_has_run_counts);
	tcase_add_test(tc, silence_is_measured);
	tcase_add_test(tc, snapshot_issued_ahead_makes_no_silence);
	tcase_add_test(tc, group_lapsed_no_longer_than_it_is_known);
	tcase_add_test(tc, time_off_locks_and_never_wipes);
	tcase_add_loop_test(tc, hardware_clock_that_lies_adds_nothing, 0,
			    ARRAY_SIZE(lies));
	tcase_add_test(tc, clock_set_while_it_runs_adds_nothing);
	tcase_add_test(tc, root_is_a_contact);
	tcase_add_test(tc, recovery_is_a_contact_and_forgets_no_greatest_time);
}

UNIT_MAIN("secure_time", add)
