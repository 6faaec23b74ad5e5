/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct err e;

static int parse(const char *text)
{
	auto_json json_t *j = NULL;

	return json_parse(text, strlen(text), "text", &j, &e);
}

START_TEST(nesting_is_bounded_exactly)
{
	char text[128] = "";

	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	ck_assert_int_eq(parse(text), 0);
	memset(text, '[', 33);
	memset(text + 33, ']', 33);
	ck_assert_int_eq(parse(text), -EINVAL);
}
END_TEST

START_TEST(brackets_in_a_string_do_not_nest)
{
	char text[128] = "\"\\\"";

	memset(text + 3, '[', 40);
	text[43] = '"';
	ck_assert_int_eq(parse(text), 0);
}
END_TEST

START_TEST(member_that_comes_twice_is_refused)
{
	ck_assert_int_eq(parse("{\"a\": 1, \"b\": 1}"), 0);
	ck_assert_int_eq(parse("{\"a\": 1, \"a\": 1}"), -EINVAL);
}
END_TEST

START_TEST(own_text_is_an_array_or_an_object)
{
	auto_json json_t *j = json_from_text("{\"b\": [1], \"a\": 2}");
	auto_free char *text = json_text(j), *lines = json_text_indented(j, 1);

	ck_assert_str_eq(text, "{\"a\":2,\"b\":[1]}");
	ck_assert_str_eq(lines, "{\n \"a\": 2,\n \"b\": [\n  1\n ]\n}");
	ck_assert_ptr_null(json_from_text("2"));
	ck_assert_ptr_null(json_from_text("{"));
	ck_assert_ptr_null(json_from_text(NULL));
}
END_TEST

static int take(const char *text, bool closed)
{
	auto_json json_t *j = NULL;
	const char *a = NULL, *b = NULL;
	const struct json_member table[] = {
		{ "a", JSON_STRING, false, &a },
		{ "b", JSON_STRING, true, &b },
		{ NULL },
	};

	ck_assert_int_eq(json_parse(text, strlen(text), "text", &j, &e), 0);
	return json_read_object(j, table, closed, "text", &e);
}

START_TEST(members_are_there_and_of_their_type)
{
	ck_assert_int_eq(take("{\"a\": \"x\"}", true), 0);
	ck_assert_int_eq(take("{\"a\": \"x\", \"b\": null}", true), 0);
	ck_assert_int_eq(take("{\"b\": \"x\"}", true), -EINVAL);
	ck_assert_int_eq(take("{\"a\": 1}", true), -EINVAL);
	ck_assert_int_eq(take("[]", true), -EINVAL);
}
END_TEST

START_TEST(unknown_member_of_a_closed_object_is_refused)
{
	ck_assert_int_eq(take("{\"a\": \"x\", \"c\": 1}", false), 0);
	ck_assert_int_eq(take("{\"a\": \"x\", \"c\": 1}", true), -EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nesting_is_bounded_exactly);
	tcase_add_test(tc, brackets_in_a_string_do_not_nest);
	tcase_add_test(tc, member_that_comes_twice_is_refused);
	tcase_add_test(tc, own_text_is_an_array_or_an_object);
	tcase_add_test(tc, members_are_there_and_of_their_type);
	tcase_add_test(tc, unknown_member_of_a_closed_object_is_refused);
}

UNIT_MAIN("json", add)
