/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/err.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *dirty, *clean;
} texts[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\xb1",
	  "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x93\xb1" },
	{ "cut \xc3", "cut ?" },
	{ "cut \xe2\x82", "cut ??" },
	{ "cut \xf0\x9f\x93' within", "cut ?\?\?' within" },
	{ "\xa4 first", "? first" },
	{ "long \xc0\xaf", "long ??" },
	{ "\xed\xa0\x80 surrogate", "?\?? surrogate" },
	{ "\xf4\x90\x80\x80", "?\?\??" },
};

START_TEST(what_is_no_character_is_marked)
{
	struct err e;

	ck_assert_int_eq(err_set(&e, EINVAL, "%s", texts[_i].dirty), -EINVAL);
	ck_assert_str_eq(e.text, texts[_i].clean);
}
END_TEST

/* Room for all but the last byte of the last character, or the last two. */
START_TEST(error_cut_within_a_character_is_a_text)
{
	size_t room = sizeof(((struct err *)NULL)->text);
	auto_free char *fill = calloc(1, room);
	struct err e;

	memset(fill, 'x', room - 1 - (size_t)_i);
	ck_assert_int_eq(err_set(&e, EINVAL, "%s\xe2\x82\xac", fill), -EINVAL);
	ck_assert_uint_eq(strlen(e.text), room - 1);
	ck_assert_str_eq(e.text + room - 1 - _i, &"??"[2 - _i]);
	ck_assert_int_eq(err_set(&e, EINVAL, "'%.*s' in '%s'", _i,
				 "\xe2\x82\xac", "\xc3\xa4"),
			 -EINVAL);
	ck_assert_str_eq(strchr(e.text, ' '), " in '\xc3\xa4'");
	ck_assert_int_eq(e.text[1], _i ? '?' : '\'');
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, what_is_no_character_is_marked, 0,
			    ARRAY_SIZE(texts));
	tcase_add_loop_test(tc, error_cut_within_a_character_is_a_text, 0, 3);
}

UNIT_MAIN("err", add)
