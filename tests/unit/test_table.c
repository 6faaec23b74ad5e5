/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/table.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <locale.h>
#include <string.h>

static const char *const titles[] = { "ID", "NAME", "WHAT" };
static char *rows[] = { "dev-1",  "Grün", "a long description of it",
			"dev-22", NULL,	  "x" };

static void assert_written(unsigned int width, const char *want)
{
	const struct table_cells t = { 3, 2, titles, rows };
	auto_free char *got = NULL;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	table_write_cells(f, &t, width);
	fclose(f);
	ck_assert_str_eq(got, want);
}

START_TEST(columns_stand_under_each_other)
{
	assert_written(0, "ID      NAME  WHAT\n"
			  "dev-1   Grün  a long description of it\n"
			  "dev-22  -     x\n");
}
END_TEST

START_TEST(the_widest_column_gives_way_first)
{
	assert_written(30, "ID      NAME  WHAT\n"
			   "dev-1   Grün  a long descript…\n"
			   "dev-22  -     x\n");
}
END_TEST

START_TEST(a_terminal_too_narrow_gets_blocks)
{
	assert_written(20, "ID    dev-1\n"
			   "NAME  Grün\n"
			   "WHAT  a long description of it\n"
			   "\n"
			   "ID    dev-22\n"
			   "NAME  -\n"
			   "WHAT  x\n");
}
END_TEST

static const struct {
	const char *raw, *safe;
} texts[] = {
	{ "plain", "plain" },
	{ "a\tb", "a        b" },
	{ "\x1b]0;x\x07", "\\u{1b}]0;x\\u{7}" },
	{ "a\nb", "a\\u{a}b" },
	{ "\xe2\x80\xae", "\\u{202e}" },
	{ "\xc2\x9b"
	  "2K",
	  "\\u{9b}2K" },
	{ "日本", "日本" },
	/* Not UTF-8: a lone byte of the upper control range stays visible. */
	{ "\x9b", "\\u{9b}" },
};

START_TEST(what_moves_the_cursor_is_spelled_out)
{
	auto_free char *safe = table_escape_text(texts[_i].raw);

	ck_assert_str_eq(safe, texts[_i].safe);
}
END_TEST

START_TEST(width_is_counted_in_columns)
{
	ck_assert_uint_eq(table_text_width("Grün"), 4);
	ck_assert_uint_eq(table_text_width("日本"), 4);
	ck_assert_uint_eq(table_text_width(""), 0);
}
END_TEST

static void setup(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, columns_stand_under_each_other);
	tcase_add_test(tc, the_widest_column_gives_way_first);
	tcase_add_test(tc, a_terminal_too_narrow_gets_blocks);
	tcase_add_loop_test(tc, what_moves_the_cursor_is_spelled_out, 0,
			    ARRAY_SIZE(texts));
	tcase_add_test(tc, width_is_counted_in_columns);
}

UNIT_MAIN("table", add)
