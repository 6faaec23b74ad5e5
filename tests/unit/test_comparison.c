/* SPDX-License-Identifier: Apache-2.0 */
#include "images/comparison.h"

#include "images/bundle.h"
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What comparison_print() says of the two; the caller frees it. */
static char *print_table(const struct doc_image *a, const struct doc_image *b)
{
	const struct bundle old = { .image = a }, new = { .image = b };
	struct comparison c = { .settings = 1 };
	FILE *saved = stdout, *f;
	char *text = NULL;
	struct err e;
	size_t len;

	f = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(f);
	stdout = f;
	ck_assert_int_eq(comparison_print(&old, &new, &c, false, &e), 0);
	stdout = saved;
	fclose(f);
	return text;
}

START_TEST(change_of_a_setting_is_shown)
{
	struct doc_image a = { .head.id = "base",
			       .head.version = 1,
			       .init = "/sbin/init",
			       .stop_signal = "TERM" };
	struct doc_image b = a;
	auto_free char *text = NULL;

	b.head.version = 2;
	snprintf(b.init, sizeof(b.init), "/bin/busybox");
	text = print_table(&a, &b);
	ck_assert_ptr_nonnull(
		strstr(text, "base version 1 -> base version 2\n"));
	ck_assert_ptr_nonnull(strstr(text, "/sbin/init -> /bin/busybox\n"));
	ck_assert_ptr_null(strstr(text, "stop-signal"));
}
END_TEST

START_TEST(no_control_character_reaches_the_terminal)
{
	struct doc_image a = { .head.id = "ba\033[2Jse",
			       .init = "/i\a",
			       .architecture = "am\nd64",
			       .stop_signal = "T\033ERM" };
	struct doc_image b = { .head.id = "b\x7f",
			       .init = "/\b\b",
			       .architecture = "\r",
			       .stop_signal = "\x01" };
	auto_free char *text = print_table(&a, &b);

	for (const char *p = text; *p; p++)
		ck_assert_msg((*p >= ' ' && *p < 0x7f) || *p == '\n',
			      "character %d in %s", *p, text);
	ck_assert_ptr_nonnull(strstr(text, "ba\\u{1b}[2Jse version 0"));
	ck_assert_ptr_nonnull(strstr(text, "am\\u{a}d64 -> \\u{d}\n"));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, change_of_a_setting_is_shown);
	tcase_add_test(tc, no_control_character_reaches_the_terminal);
}

UNIT_MAIN("comparison", add)
