/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/address.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct err e;

START_TEST(addresses_come_in_their_order)
{
	static const char text[] = "192.0.2.7\n2001:db8::1\n192.0.2.8\n";
	struct address_list list;

	ck_assert_int_eq(address_parse_list(text, strlen(text), &list, &e), 0);
	ck_assert_uint_eq(list.n, 3);
	ck_assert_str_eq(list.text[0], "192.0.2.7");
	ck_assert_str_eq(list.text[1], "2001:db8::1");
	ck_assert_str_eq(list.text[2], "192.0.2.8");
}
END_TEST

static const char *const wrong[] = {
	"",
	"\n\n",
	"server.example.org\n",
	"192.0.2.7\n192.0.2.999\n",
	"1\n1\n1\n",
	"::1\n::1\n::1\n::1\n::1\n::1\n::1\n::1\n::1\n",
};

START_TEST(no_list_of_addresses_is_refused)
{
	struct address_list list = { 0 };

	ck_assert_int_eq(
		address_parse_list(wrong[_i], strlen(wrong[_i]), &list, &e),
		-EBADMSG);
	ck_assert_uint_eq(list.n, 0);
}
END_TEST

START_TEST(address_needs_no_name_server)
{
	struct address_list list;

	ck_assert(address_parse_literal("192.0.2.7", &list));
	ck_assert_uint_eq(list.n, 1);
	ck_assert_str_eq(list.text[0], "192.0.2.7");
	ck_assert(!address_parse_literal("localhost", &list));
	ck_assert(!address_parse_literal("", &list));
}
END_TEST

START_TEST(machine_finds_itself)
{
	auto_free char *text = NULL;
	struct address_list list;
	size_t len;

	ck_assert_msg(address_lookup("localhost", &text, &len, &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(address_parse_list(text, len, &list, &e), 0);
	for (unsigned int i = 0; i < list.n; i++)
		ck_assert(strcmp(list.text[i], "127.0.0.1") == 0 ||
			  strcmp(list.text[i], "::1") == 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, addresses_come_in_their_order);
	tcase_add_loop_test(tc, no_list_of_addresses_is_refused, 0,
			    ARRAY_SIZE(wrong));
	tcase_add_test(tc, address_needs_no_name_server);
	tcase_add_test(tc, machine_finds_itself);
}

UNIT_MAIN("address", add)
