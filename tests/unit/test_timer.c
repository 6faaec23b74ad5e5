/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/timer.h"

#include "tests/unit/unit.h"

#define MS 1000
#define WAIT_MS 20

static sd_event *loop;
static sd_event_source *timer;
static unsigned int fired;

static int count_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	ck_assert_ptr_eq(arg, &fired);
	fired++;
	return 0;
}

static void open_timer(void)
{
	fired = 0;
	ck_assert_int_ge(sd_event_new(&loop), 0);
	ck_assert_int_eq(
		timer_new(loop, CLOCK_MONOTONIC, count_timer, &fired, &timer),
		0);
}

static void close_timer(void)
{
	sd_event_source_disable_unref(timer);
	sd_event_unref(loop);
}

static void run_loop(void)
{
	while (sd_event_run(loop, WAIT_MS * MS) > 0)
		;
}

START_TEST(a_new_timer_is_not_started)
{
	run_loop();
	ck_assert_uint_eq(fired, 0);
}
END_TEST

START_TEST(it_fires_once_each_time_it_is_started)
{
	for (unsigned int n = 1; n <= 2; n++) {
		ck_assert_int_ge(timer_start(timer, 0), 0);
		run_loop();
		ck_assert_uint_eq(fired, n);
	}
}
END_TEST

START_TEST(started_again_it_does_not_fire_when_it_would_have)
{
	ck_assert_int_ge(timer_start(timer, 0), 0);
	ck_assert_int_ge(timer_start(timer, UINT64_C(3600) * 1000 * MS), 0);
	run_loop();
	ck_assert_uint_eq(fired, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, open_timer, close_timer);
	tcase_add_test(tc, a_new_timer_is_not_started);
	tcase_add_test(tc, it_fires_once_each_time_it_is_started);
	tcase_add_test(tc, started_again_it_does_not_fire_when_it_would_have);
}

UNIT_MAIN("timer", add)
