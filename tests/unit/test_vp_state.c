/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp_state.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(names_are_read_back)
{
	for (int s = 0; s < VP_STATE_COUNT; s++)
		ck_assert_int_eq(vp_state_parse(vp_state_name(s)), s);
	ck_assert_int_eq(vp_state_parse("running"), VP_STATE_COUNT);
}
END_TEST

/* The states' line of life, and what may never be. */
static const struct {
	enum vp_state from;
	enum vp_event event;
	enum vp_state to; /* VP_STATE_COUNT: refused */
} steps[] = {
	{ VP_STATE_ABSENT, VP_EVENT_INSTALL, VP_STATE_INSTALLED },
	{ VP_STATE_INSTALLED, VP_EVENT_START, VP_STATE_BACKGROUND },
	{ VP_STATE_BACKGROUND, VP_EVENT_FOREGROUND, VP_STATE_FOREGROUND },
	{ VP_STATE_FOREGROUND, VP_EVENT_BACKGROUND, VP_STATE_BACKGROUND },
	{ VP_STATE_FOREGROUND, VP_EVENT_END, VP_STATE_STOPPED },
	{ VP_STATE_BACKGROUND, VP_EVENT_END, VP_STATE_STOPPED },
	{ VP_STATE_STOPPED, VP_EVENT_LOCK, VP_STATE_LOCKED },
	{ VP_STATE_BACKGROUND, VP_EVENT_LOCK, VP_STATE_LOCKED },
	{ VP_STATE_LOCKED, VP_EVENT_UNLOCK, VP_STATE_STOPPED },
	{ VP_STATE_LOCKED, VP_EVENT_WIPE, VP_STATE_WIPING },
	{ VP_STATE_WIPING, VP_EVENT_ERASED, VP_STATE_ABSENT },
	{ VP_STATE_LOCKED, VP_EVENT_START, VP_STATE_COUNT },
	{ VP_STATE_LOCKED, VP_EVENT_FOREGROUND, VP_STATE_COUNT },
	{ VP_STATE_STOPPED, VP_EVENT_FOREGROUND, VP_STATE_COUNT },
	{ VP_STATE_WIPING, VP_EVENT_START, VP_STATE_COUNT },
	{ VP_STATE_WIPING, VP_EVENT_UNLOCK, VP_STATE_COUNT },
	{ VP_STATE_WIPING, VP_EVENT_LOCK, VP_STATE_COUNT },
	{ VP_STATE_ABSENT, VP_EVENT_START, VP_STATE_COUNT },
	{ VP_STATE_ABSENT, VP_EVENT_WIPE, VP_STATE_COUNT },
	/* The front is left first. */
	{ VP_STATE_FOREGROUND, VP_EVENT_LOCK, VP_STATE_COUNT },
	{ VP_STATE_FOREGROUND, VP_EVENT_WIPE, VP_STATE_COUNT },
};

START_TEST(table_has_the_step)
{
	ck_assert_int_eq(vp_state_after_event(steps[_i].from, steps[_i].event),
			 steps[_i].to);
}
END_TEST

START_TEST(only_its_end_leaves_wiping)
{
	for (int ev = 0; ev < VP_EVENT_COUNT; ev++) {
		enum vp_state to = vp_state_after_event(VP_STATE_WIPING, ev);

		if (ev != VP_EVENT_ERASED)
			ck_assert(to == VP_STATE_WIPING ||
				  to == VP_STATE_COUNT);
	}
}
END_TEST

START_TEST(only_unlock_and_wipe_leave_locked)
{
	for (int ev = 0; ev < VP_EVENT_COUNT; ev++) {
		enum vp_state to = vp_state_after_event(VP_STATE_LOCKED, ev);

		if (ev != VP_EVENT_UNLOCK && ev != VP_EVENT_WIPE)
			ck_assert(to == VP_STATE_LOCKED ||
				  to == VP_STATE_COUNT);
	}
}
END_TEST

START_TEST(an_event_again_changes_nothing)
{
	for (int s = 0; s < VP_STATE_COUNT; s++)
		for (int ev = 0; ev < VP_EVENT_COUNT; ev++) {
			enum vp_state to = vp_state_after_event(s, ev);
			enum vp_state again =
				to == VP_STATE_COUNT
					? to
					: vp_state_after_event(to, ev);

			ck_assert(again == to || again == VP_STATE_COUNT);
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

UNIT_MAIN("vp_state", add)
