/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/display.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <locale.h>
#include <string.h>

static const struct {
	const char *raw, *safe;
} texts[] = {
	{ "plain", "plain" },
	{ "a\tb", "a        b" },
	{ "\x1b]0;x\x07", "\\u{1b}]0;x\\u{7}" },
	{ "a\nb", "a\\u{a}b" },
	{ "\xe2\x80\xae", "\\u{202e}" },
	{ "\xd8\x9c", "\\u{61c}" },
	{ "\xf3\xa0\x81\x81", "\\u{e0041}" },
	{ "\xc2\x9b"
	  "2K",
	  "\\u{9b}2K" },
	{ "日本", "日本" },
	/* Not UTF-8: a lone byte of the upper control range stays visible. */
	{ "\x9b", "\\u{9b}" },
};

START_TEST(what_moves_the_cursor_is_spelled_out)
{
	auto_free char *safe = display_escape(texts[_i].raw);

	ck_assert_str_eq(safe, texts[_i].safe);
}
END_TEST

START_TEST(width_is_counted_in_columns)
{
	ck_assert_uint_eq(display_width("Grün"), 4);
	ck_assert_uint_eq(display_width("日本"), 4);
	ck_assert_uint_eq(display_width(""), 0);
}
END_TEST

START_TEST(each_line_of_a_text_is_escaped)
{
	static const char text[] = "a\x1b[1m\n\nlast";
	auto_free char *got = NULL;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	display_write_text(f, text, strlen(text));
	fclose(f);
	ck_assert_str_eq(got, "a\\u{1b}[1m\n\nlast\n");
}
END_TEST

static void setup(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, what_moves_the_cursor_is_spelled_out, 0,
			    ARRAY_SIZE(texts));
	tcase_add_test(tc, width_is_counted_in_columns);
	tcase_add_test(tc, each_line_of_a_text_is_escaped);
}

UNIT_MAIN("display", add)
