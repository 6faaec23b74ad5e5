/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/event_coalesce.h"

#include "tests/unit/unit.h"

#include <string.h>

#define SECOND 1000000000ULL

static struct event_coalesce b;
static unsigned int told, sum;

static void setup(void)
{
	memset(&b, 0, sizeof(b));
	told = sum = 0;
}

static void count(void *arg, const struct backend_event *ev)
{
	told++;
	sum += ev->count;
}

static struct backend_event event(const char *word, uint32_t vp, uint32_t pid)
{
	return (struct backend_event){
		.event = word, .vp = vp, .classes = 1, .pid = pid, .count = 1
	};
}

START_TEST(first_is_told_and_equal_ones_are_counted)
{
	struct backend_event ev = event("open", 1, 7);

	ck_assert(event_coalesce_add(&b, &ev, 10));
	for (int i = 0; i < 5; i++)
		ck_assert(!event_coalesce_add(&b, &ev, 20));
	ck_assert(event_coalesce_flush(&b, SECOND, count, NULL));
	ck_assert_uint_eq(told, 0);
	ck_assert(!event_coalesce_flush(&b, SECOND + 10, count, NULL));
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(sum, 5);
	/* It is over: the next one begins a burst of its own. */
	ck_assert(event_coalesce_add(&b, &ev, 2 * SECOND));
}
END_TEST

START_TEST(one_alone_is_told_once)
{
	struct backend_event ev = event("open", 1, 7);

	ck_assert(event_coalesce_add(&b, &ev, 10));
	ck_assert(!event_coalesce_flush(&b, 2 * SECOND, count, NULL));
	ck_assert_uint_eq(told, 0);
}
END_TEST

START_TEST(what_differs_is_told_apart)
{
	struct backend_event a = event("open", 1, 7), c = event("close", 1, 7),
			     v = event("open", 2, 7), p = event("open", 1, 8);

	ck_assert(event_coalesce_add(&b, &a, 10));
	ck_assert(event_coalesce_add(&b, &c, 10));
	ck_assert(event_coalesce_add(&b, &v, 10));
	ck_assert(event_coalesce_add(&b, &p, 10));
}
END_TEST

START_TEST(full_table_drops_nothing)
{
	for (uint32_t i = 0; i < EVENT_COALESCE_MAX + 10; i++) {
		struct backend_event ev = event("open", 1, i);

		ck_assert(event_coalesce_add(&b, &ev, 10));
	}
	for (int i = 0; i < 3; i++) {
		struct backend_event ev =
			event("open", 1, EVENT_COALESCE_MAX + 5);

		ck_assert(event_coalesce_add(&b, &ev, 10));
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, first_is_told_and_equal_ones_are_counted);
	tcase_add_test(tc, one_alone_is_told_once);
	tcase_add_test(tc, what_differs_is_told_apart);
	tcase_add_test(tc, full_table_drops_nothing);
}

UNIT_MAIN("event_coalesce", add)
