/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/devns_attr.h"

#include "tests/unit/unit.h"

#include <netlink/msg.h>
#include <string.h>

static struct nl_msg *m;

static void setup(void)
{
	m = nlmsg_alloc_simple(1, 0);
}

static void teardown(void)
{
	nlmsg_free(m);
}

static void parse(devns_attr_table a)
{
	struct nlmsghdr *h = nlmsg_hdr(m);

	devns_attr_parse(nlmsg_attrdata(h, 0), nlmsg_attrlen(h, 0), a);
}

static void put_right(uint32_t cls, uint8_t use, uint8_t block)
{
	struct nlattr *nest = nla_nest_start(m, DEVNS_A_RIGHT);

	nla_put_u32(m, DEVNS_A_CLASS, cls);
	nla_put_u8(m, DEVNS_A_USE, use);
	nla_put_u8(m, DEVNS_A_BLOCK, block);
	nla_nest_end(m, nest);
}

START_TEST(namespace_has_its_rights)
{
	struct devns_link_ns ns = { 0 };
	struct nlattr *nest;
	devns_attr_table a;

	nla_put_u32(m, DEVNS_A_ID, 7);
	nla_put_string(m, DEVNS_A_NAME, "work");
	nla_put_flag(m, DEVNS_A_ACTIVE);
	nla_put_u64(m, DEVNS_A_GENERATION, 1ULL << 40);
	nest = nla_nest_start(m, DEVNS_A_RIGHTS);
	put_right(CELLS_CLASS_CAMERA, CELLS_USE_FRONT, 1);
	put_right(CELLS_CLASS_COUNT, CELLS_USE_ANY, 0);
	put_right(CELLS_CLASS_GPS, CELLS_USE_ANY, 0);
	nla_nest_end(m, nest);
	parse(a);
	devns_attr_read_ns(a, &ns);
	ck_assert_uint_eq(ns.id, 7);
	ck_assert_str_eq(ns.name, "work");
	ck_assert(ns.active);
	ck_assert_uint_eq(ns.generation, 1ULL << 40);
	ck_assert_uint_eq(ns.right[CELLS_CLASS_CAMERA].use, CELLS_USE_FRONT);
	ck_assert_uint_eq(ns.right[CELLS_CLASS_CAMERA].block, 1);
	ck_assert_uint_eq(ns.right[CELLS_CLASS_GPS].use, CELLS_USE_ANY);
	ck_assert_uint_eq(ns.right[CELLS_CLASS_USB].use, CELLS_USE_NONE);
}
END_TEST

START_TEST(event_without_a_class_has_none)
{
	struct devns_link_event ev;
	devns_attr_table a;

	nla_put_u32(m, DEVNS_A_EVENT, DEVNS_EVENT_LOST);
	nla_put_u64(m, DEVNS_A_SEQ, 12);
	nla_put_u32(m, DEVNS_A_COUNT, 3);
	parse(a);
	devns_attr_read_event(a, &ev);
	ck_assert_uint_eq(ev.event, DEVNS_EVENT_LOST);
	ck_assert_uint_eq(ev.seq, 12);
	ck_assert_uint_eq(ev.count, 3);
	ck_assert_uint_eq(ev.cls, CELLS_CLASS_COUNT);
	ck_assert_str_eq(ev.comm, "");
}
END_TEST

/* A newer module's types, and values shorter than they should be. */
START_TEST(what_is_unknown_or_short_is_skipped)
{
	struct devns_link_source s = { 0 };
	devns_attr_table a;

	nla_put_u32(m, DEVNS_A_MAX + 1, 1);
	nla_put_u8(m, DEVNS_A_SOURCE, 1);
	nla_put_u8(m, DEVNS_A_GENERATION, 1);
	nla_put_u32(m, DEVNS_A_MINOR, 4);
	parse(a);
	devns_attr_read_source(a, &s);
	ck_assert_uint_eq(s.id, 0);
	ck_assert_uint_eq(s.minor, 4);
}
END_TEST

START_TEST(text_is_cut_to_its_room)
{
	struct devns_link_endpoint ep = { 0 };
	char name[DEVNS_NODE_MAX * 2];
	devns_attr_table a;

	memset(name, 'x', sizeof(name));
	nla_put(m, DEVNS_A_NODE, sizeof(name), name);
	parse(a);
	devns_attr_read_endpoint(a, &ep);
	ck_assert_uint_eq(strlen(ep.node), DEVNS_NODE_MAX - 1);
}
END_TEST

START_TEST(each_word_is_there)
{
	for (uint32_t i = 0; i < DEVNS_EVENT_COUNT_; i++)
		ck_assert_str_ne(devns_types_event_name(i), "?");
	for (uint32_t i = 0; i < DEVNS_KIND_COUNT_; i++)
		ck_assert_str_ne(devns_types_kind_name(i), "?");
	ck_assert_str_eq(devns_types_event_name(DEVNS_EVENT_COUNT_), "?");
	ck_assert_str_eq(devns_types_kind_name(DEVNS_KIND_COUNT_), "?");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, namespace_has_its_rights);
	tcase_add_test(tc, event_without_a_class_has_none);
	tcase_add_test(tc, what_is_unknown_or_short_is_skipped);
	tcase_add_test(tc, text_is_cut_to_its_room);
	tcase_add_test(tc, each_word_is_there);
}

UNIT_MAIN("devns_attr", add)
