/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp_state.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(names_are_read_back)
{
	for (int s = 0; s < VPSTATE_COUNT; s++)
		ck_assert_int_eq(vpstate_from_name(vpstate_name(s)), s);
	ck_assert_int_eq(vpstate_from_name("running"), VPSTATE_COUNT);
}
END_TEST

/* The states' line of life, and what may never be. */
static const struct {
	enum vpstate from;
	enum vpevent event;
	enum vpstate to; /* VPSTATE_COUNT: refused */
} steps[] = {
	{ VPSTATE_ABSENT, VPEVENT_INSTALL, VPSTATE_INSTALLED },
	{ VPSTATE_INSTALLED, VPEVENT_START, VPSTATE_BACKGROUND },
	{ VPSTATE_BACKGROUND, VPEVENT_FRONT, VPSTATE_FOREGROUND },
	{ VPSTATE_FOREGROUND, VPEVENT_BACK, VPSTATE_BACKGROUND },
	{ VPSTATE_FOREGROUND, VPEVENT_END, VPSTATE_STOPPED },
	{ VPSTATE_BACKGROUND, VPEVENT_END, VPSTATE_STOPPED },
	{ VPSTATE_STOPPED, VPEVENT_LOCK, VPSTATE_LOCKED },
	{ VPSTATE_BACKGROUND, VPEVENT_LOCK, VPSTATE_LOCKED },
	{ VPSTATE_LOCKED, VPEVENT_UNLOCK, VPSTATE_STOPPED },
	{ VPSTATE_LOCKED, VPEVENT_WIPE, VPSTATE_WIPING },
	{ VPSTATE_WIPING, VPEVENT_ERASED, VPSTATE_ABSENT },
	{ VPSTATE_LOCKED, VPEVENT_START, VPSTATE_COUNT },
	{ VPSTATE_LOCKED, VPEVENT_FRONT, VPSTATE_COUNT },
	{ VPSTATE_STOPPED, VPEVENT_FRONT, VPSTATE_COUNT },
	{ VPSTATE_WIPING, VPEVENT_START, VPSTATE_COUNT },
	{ VPSTATE_WIPING, VPEVENT_UNLOCK, VPSTATE_COUNT },
	{ VPSTATE_WIPING, VPEVENT_LOCK, VPSTATE_COUNT },
	{ VPSTATE_ABSENT, VPEVENT_START, VPSTATE_COUNT },
	{ VPSTATE_ABSENT, VPEVENT_WIPE, VPSTATE_COUNT },
	/* The front is left first. */
	{ VPSTATE_FOREGROUND, VPEVENT_LOCK, VPSTATE_COUNT },
	{ VPSTATE_FOREGROUND, VPEVENT_WIPE, VPSTATE_COUNT },
};

START_TEST(table_has_the_step)
{
	ck_assert_int_eq(vpstate_next(steps[_i].from, steps[_i].event),
			 steps[_i].to);
}
END_TEST

START_TEST(only_its_end_leaves_wiping)
{
	for (int ev = 0; ev < VPEVENT_COUNT; ev++) {
		enum vpstate to = vpstate_next(VPSTATE_WIPING, ev);

		if (ev != VPEVENT_ERASED)
			ck_assert(to == VPSTATE_WIPING || to == VPSTATE_COUNT);
	}
}
END_TEST

START_TEST(only_unlock_and_wipe_leave_locked)
{
	for (int ev = 0; ev < VPEVENT_COUNT; ev++) {
		enum vpstate to = vpstate_next(VPSTATE_LOCKED, ev);

		if (ev != VPEVENT_UNLOCK && ev != VPEVENT_WIPE)
			ck_assert(to == VPSTATE_LOCKED || to == VPSTATE_COUNT);
	}
}
END_TEST

START_TEST(an_event_again_changes_nothing)
{
	for (int s = 0; s < VPSTATE_COUNT; s++)
		for (int ev = 0; ev < VPEVENT_COUNT; ev++) {
			enum vpstate to = vpstate_next(s, ev);
			enum vpstate again =
				to == VPSTATE_COUNT ? to : vpstate_next(to, ev);

			ck_assert(again == to || again == VPSTATE_COUNT);
		}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, names_are_read_back);
	tcase_add_loop_test(tc, table_has_the_step, 0, ARRAY_SIZE(steps));
	tcase_add_test(tc, only_its_end_leaves_wiping);
	tcase_add_test(tc, only_unlock_and_wipe_leave_locked);
	tcase_add_test(tc, an_event_again_changes_nothing);
}

UNIT_MAIN("vpstate", add)
