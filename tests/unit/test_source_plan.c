/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/source_plan.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define BIT(c) (1U << CELLS_CLASS_##c)

static const struct plan {
	const char *name;
	uint32_t classes;
	bool block;
	uint32_t major, minor;
	enum backend_access way;
	uint32_t kind;
} plans[] = {
	{ "video0", BIT(CAMERA), false, 81, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_CUT },
	{ "video1", BIT(CAMERA_FRONT), false, 81, 1, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_CUT },
	{ "snd/controlC0", BIT(MICROPHONE) | BIT(SPEAKER), false, 116, 0,
	  BACKEND_BY_ENDPOINT, DEVNS_KIND_MIXER },
	{ "snd/hwC0D0", BIT(MICROPHONE) | BIT(SPEAKER), false, 116, 9,
	  BACKEND_BY_ENDPOINT, DEVNS_KIND_CUT },
	{ "bus/usb/001/002", BIT(USB) | BIT(CAMERA), false, 189, 1,
	  BACKEND_BY_ENDPOINT, DEVNS_KIND_CUT },
	{ "ttyUSB0", BIT(GPS), false, 188, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_SUSPEND },
	{ "ttyACM0", BIT(MODEM), false, 166, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_SUSPEND },
	{ "cdc-wdm0", BIT(MODEM), false, 180, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_CUT },
	{ "iio:device0", BIT(SENSORS), false, 250, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_CUT },
	{ "fb0", BIT(DISPLAY), false, 29, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_FB },
	{ "input/event3", BIT(INPUT), false, 13, 67, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_INPUT },
	{ "leds/a::b", BIT(LED), false, 0, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_LED },
	{ "backlight/x", BIT(BACKLIGHT), false, 0, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_BACKLIGHT },
	{ "power/wake_lock", BIT(POWER), false, 0, 0, BACKEND_BY_ENDPOINT,
	  DEVNS_KIND_POWER },
	/* What reaches around the muxed ones. */
	{ "dri/card0", BIT(DISPLAY), false, 226, 0, BACKEND_SHUT, 0 },
	{ "input/mice", BIT(INPUT), false, 13, 63, BACKEND_SHUT, 0 },
	{ "hidraw0", BIT(INPUT), false, 240, 0, BACKEND_SHUT, 0 },
	{ "bus/usb/001/003", BIT(USB) | BIT(INPUT), false, 189, 2, BACKEND_SHUT,
	  0 },
	/* What is not passed on. */
	{ "dri/renderD128", BIT(GPU), false, 226, 128, BACKEND_BY_CLASS, 0 },
	{ "sdb", BIT(STORAGE), true, 8, 16, BACKEND_BY_CLASS, 0 },
	/* A node without a number has nothing that could be opened. */
	{ "video9", BIT(CAMERA), false, 0, 0, BACKEND_SHUT, 0 },
};

START_TEST(node_becomes_what_its_class_asks_for)
{
	const struct plan *p = &plans[_i];
	struct backend_node n = { .block = p->block,
				  .classes = p->classes,
				  .major = p->major,
				  .minor = p->minor };
	struct devns_link_source s = { 0 };

	snprintf(n.name, sizeof(n.name), "%s", p->name);
	ck_assert_msg(source_plan_for_node(&n, &s) == p->way, "%s", p->name);
	if (p->way != BACKEND_BY_ENDPOINT)
		return;
	ck_assert_uint_eq(s.kind, p->kind);
	ck_assert_uint_eq(s.classes, p->classes);
	ck_assert_uint_eq(s.major, p->major);
	ck_assert_uint_eq(s.minor, p->minor);
	ck_assert_str_eq(s.node, p->name);
}
END_TEST

START_TEST(name_too_long_for_the_module_is_shut)
{
	struct backend_node n = { .classes = BIT(CAMERA), .major = 81 };
	struct devns_link_source s = { 0 };

	memset(n.name, 'v', DEVNS_NODE_MAX - 1);
	ck_assert_int_eq(source_plan_for_node(&n, &s), BACKEND_BY_ENDPOINT);
	memset(n.name, 'v', DEVNS_NODE_MAX);
	ck_assert_int_eq(source_plan_for_node(&n, &s), BACKEND_SHUT);
}
END_TEST

START_TEST(sources_differ_in_anything_but_their_id)
{
	const struct devns_link_source a = { 1, 2, 3, 4, 5, "video0" };
	struct devns_link_source b = a;

	b.id = 9;
	ck_assert(source_plan_is_equal(&a, &b));
	b.minor = 6;
	ck_assert(!source_plan_is_equal(&a, &b));
	b = a;
	b.node[5] = '1';
	ck_assert(!source_plan_is_equal(&a, &b));
	b = a;
	b.classes = 1;
	ck_assert(!source_plan_is_equal(&a, &b));
	b = a;
	b.kind = 1;
	ck_assert(!source_plan_is_equal(&a, &b));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, node_becomes_what_its_class_asks_for, 0,
			    ARRAY_SIZE(plans));
	tcase_add_test(tc, name_too_long_for_the_module_is_shut);
	tcase_add_test(tc, sources_differ_in_anything_but_their_id);
}

UNIT_MAIN("source_plan", add)
