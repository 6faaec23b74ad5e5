/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/diff.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <string.h>

static const struct {
	const char *before, *after, *want;
} cases[] = {
	{ "a\nb\nc\n", "a\nb\nc\n", "  a\n  b\n  c\n" },
	{ NULL, "a\nb\n", "+ a\n+ b\n" },
	{ "", "", "" },
	{ "a\nb\nc\n", "a\nx\nc\n", "  a\n- b\n+ x\n  c\n" },
	{ "a\nb\n", "a\nb\nc\n", "  a\n  b\n+ c\n" },
	{ "a\nb\nc\n", "b\nc\n", "- a\n  b\n  c\n" },
	/* Context is two lines on each side. */
	{ "1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\nx\n5\n6\n7\n",
	  "  2\n  3\n- 4\n+ x\n  5\n  6\n" },
	/* Without a last line end. */
	{ "a", "b", "- a\n+ b\n" },
	/* What would move the cursor or turn text round is made visible. */
	{ "", "\x1b[2K<ok/>\n", "+ \\u{1b}[2K<ok/>\n" },
	{ "",
	  "mode=\"\xe2\x80\xae"
	  "enon\"\n",
	  "+ mode=\"\\u{202e}enon\"\n" },
};

START_TEST(lines_that_went_and_came_are_marked)
{
	auto_free char *got = NULL;
	size_t len;
	FILE *f = open_memstream(&got, &len);
	const char *before = cases[_i].before, *after = cases[_i].after;
	bool differs = diff_write(f, before, before ? strlen(before) : 0, after,
				  strlen(after), false);

	fclose(f);
	ck_assert_int_eq(differs, !before || strcmp(before, after) != 0);
	/* Where nothing changed the head may be left out as far context. */
	if (differs)
		ck_assert_str_eq(got, cases[_i].want);
}
END_TEST

/* Beyond the bound of the search the middle is one block; nothing is lost. */
START_TEST(huge_texts_are_compared_in_bounded_time)
{
	auto_free char *a = malloc(400001), *b = malloc(400001), *got = NULL;
	size_t len, lines = 0;
	FILE *f = open_memstream(&got, &len);

	for (size_t i = 0; i < 400000; i += 4) {
		memcpy(a + i, "aa\n", 4);
		memcpy(a + i, "aaa\n", 4);
		memcpy(b + i, "bbb\n", 4);
	}
	a[400000] = b[400000] = '\0';
	ck_assert(diff_write(f, a, 400000, b, 400000, false));
	fclose(f);
	for (size_t i = 0; i < len; i++)
		lines += got[i] == '\n';
	ck_assert_uint_eq(lines, 200000);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, lines_that_went_and_came_are_marked, 0,
			    ARRAY_SIZE(cases));
	tcase_add_test(tc, huge_texts_are_compared_in_bounded_time);
}

UNIT_MAIN("diff", add)
