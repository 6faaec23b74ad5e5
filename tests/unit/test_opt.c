/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/opt.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define ARGS_MAX 8

static struct err e;

static struct values {
	bool flag, json;
	const char *string;
	uint64_t number;
	struct opt_list list;
} v;

static const struct opt opts[] = {
	{ "flag", 'x', OPT_FLAG, &v.flag, NULL, "a flag" },
	{ "format", 'f', OPT_FORMAT, &v.json, "FORMAT", "how to print" },
	{ "string", 's', OPT_STRING, &v.string, "TEXT", "a text" },
	{ "number", 'n', OPT_NUMBER, &v.number, "N", "a number" },
	{ "list", 'l', OPT_LIST, &v.list, "ITEM", "an item" },
	{ NULL },
};
static const struct opt_program program = { "tool verb", "ARG", "", opts };

/* Words with spaces between, parsed with `permute`. */
static int parse(const char *words, char *argv[ARGS_MAX])
{
	char *text = unit_text("tool %s", words), *save;
	int argc = 0;

	v = (struct values){ 0 };
	for (char *w = strtok_r(text, " ", &save); w && argc < ARGS_MAX - 1;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return opt_parse(&program, argc, argv, true, &e);
}

START_TEST(options_stand_anywhere_before_two_dashes)
{
	char *argv[ARGS_MAX];
	int first = parse("one -x --number=7 two -- --flag", argv);

	ck_assert_msg(first > 0, "%s", e.text);
	ck_assert(v.flag);
	ck_assert_uint_eq(v.number, 7);
	ck_assert_str_eq(argv[first], "one");
	ck_assert_str_eq(argv[first + 1], "two");
	ck_assert_str_eq(argv[first + 2], "--flag");
	ck_assert_ptr_null(argv[first + 3]);
}
END_TEST

static const struct {
	const char *words;
	bool json;
} formats[] = {
	{ "", false },
	{ "--format json", true },
	{ "--format=table", false },
	{ "-f json", true },
	{ "-f json --format table", false },
};

START_TEST(last_format_holds)
{
	char *argv[ARGS_MAX];

	ck_assert_msg(parse(formats[_i].words, argv) > 0, "%s", e.text);
	ck_assert_int_eq(v.json, formats[_i].json);
}
END_TEST

START_TEST(list_keeps_its_order)
{
	char *argv[ARGS_MAX];

	ck_assert_int_gt(parse("-l a --list=b -lc", argv), 0);
	ck_assert_uint_eq(v.list.n, 3);
	ck_assert_str_eq(v.list.item[0], "a");
	ck_assert_str_eq(v.list.item[2], "c");
}
END_TEST

static const struct {
	const char *words, *says;
} bad[] = {
	{ "--format xml", "--format xml: neither table nor json" },
	{ "--format", "option --format needs FORMAT" },
	{ "--format=", "--format : neither table nor json" },
	{ "--flag=1", "option --flag=1 takes no value" },
	{ "--number x", "--number x: not a number" },
	{ "--nothing", "unknown option --nothing (see tool verb --help)" },
};

START_TEST(mistake_is_named)
{
	char *argv[ARGS_MAX];

	ck_assert_int_eq(parse(bad[_i].words, argv), -EINVAL);
	ck_assert_str_eq(e.text, bad[_i].says);
}
END_TEST

START_TEST(refused_format_changes_nothing)
{
	char *argv[ARGS_MAX];

	ck_assert_int_eq(parse("-f json -f xml", argv), -EINVAL);
	ck_assert(v.json);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, options_stand_anywhere_before_two_dashes);
	tcase_add_loop_test(tc, last_format_holds, 0, ARRAY_SIZE(formats));
	tcase_add_test(tc, refused_format_changes_nothing);
	tcase_add_test(tc, list_keeps_its_order);
	tcase_add_loop_test(tc, mistake_is_named, 0, ARRAY_SIZE(bad));
}

UNIT_MAIN("opt", add)
