/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/table.h"

#include "lib/auto.h"
#include "lib/err.h"
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

static const struct table_column columns[] = {
	{ "ID", "id" },
	{ "DIGEST", "sha256", TABLE_DIGEST },
	{ "SIZE", "size", TABLE_SIZE },
	{ "AT", "receipt.seq" },
	{ "WORDS", "words" },
	{ NULL },
};

/* What `print` writes on stdout. */
static char *capture_output(int (*print)(const struct table_column *,
					 const json_t *, struct err *),
			    const char *text)
{
	auto_json json_t *j = NULL;
	FILE *saved = stdout;
	char *got = NULL;
	struct err e;
	size_t len;

	ck_assert_int_eq(json_parse(text, strlen(text), "test", &j, &e), 0);
	stdout = open_memstream(&got, &len);
	ck_assert_int_eq(print(columns, j, &e), 0);
	fclose(stdout);
	stdout = saved;
	return got;
}

START_TEST(rows_show_the_members_of_objects)
{
	auto_free char *got = capture_output(
		table_print_rows,
		"[{\"id\":\"a\",\"sha256\":\"sha256:0123456789abcdef\","
		"\"size\":1536,\"receipt\":{\"seq\":7},"
		"\"words\":[\"x\",\"y\"]},"
		"{\"id\":\"\",\"size\":null,\"words\":true}]");

	ck_assert_str_eq(got, "ID  DIGEST        SIZE     AT  WORDS\n"
			      "a   0123456789ab  1.5 KiB  7   x, y\n"
			      "-   -             -        -   yes\n");
}
END_TEST

START_TEST(an_object_shows_what_it_has)
{
	auto_free char *got = capture_output(table_print_object,
					     "{\"id\":\"a\",\"size\":null}");

	ck_assert_str_eq(got, "ID             a\n"
			      "SIZE           -\n");
}
END_TEST

START_TEST(a_cell_cannot_steer_the_terminal)
{
	auto_free char *got = capture_output(
		table_print_object,
		"{\"id\":\"\\u001b[2J\",\"words\":[\"\\u009b\"]}");

	ck_assert_str_eq(got, "ID             \\u{1b}[2J\n"
			      "WORDS          \\u{9b}\n");
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
	tcase_add_test(tc, rows_show_the_members_of_objects);
	tcase_add_test(tc, an_object_shows_what_it_has);
	tcase_add_test(tc, a_cell_cannot_steer_the_terminal);
}

UNIT_MAIN("table", add)
