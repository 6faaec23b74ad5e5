/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/plan.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

#define CELL(before, after, from, to, cuts)                                    \
	"{\"vp\":\"work\",\"class\":\"gps\",\"before\":\"" before              \
	"\",\"after\":\"" after "\",\"verdict_before\":\"" from                \
	"\",\"verdict_after\":\"" to "\",\"cuts\":" cuts "}"
#define DEVICE(problem, documents, cells)                                      \
	"{\"devices\":[{\"device\":\"dev-1\",\"name\":\"a\",\"group\":\"g\","  \
	"\"problem\":" problem ",\"documents\":[" documents                    \
	"],\"cells\":[" cells "]}]}"
#define HEAD "dev-1 (a, group g)\n"
#define NONE "0 of 1 devices would change\n"
#define ONE "1 of 1 devices would change\n"

static const struct {
	const char *plan, *want;
	bool changes;
} cases[] = {
	{ DEVICE("null", "", ""), NONE, false },
	{ DEVICE("null", "", CELL("none", "none", "denied", "denied", "false")),
	  NONE, false },
	{ DEVICE("null", "",
		 CELL("shared", "none", "allowed", "denied", "true")),
	  HEAD "    work         gps            shared -> none, now allowed -> "
	       "denied  CUTS OPEN HANDLES\n" ONE,
	  true },
	{ DEVICE("null", "",
		 CELL("exclusive", "none", "denied", "denied", "false")),
	  HEAD "    work         gps            exclusive -> none, now denied "
	       "as before\n" ONE,
	  true },
	/* The same mode, another verdict: what is in front changed. */
	{ DEVICE("null", "",
		 CELL("shared", "shared", "allowed", "denied", "false")),
	  HEAD "    work         gps            shared -> shared, now allowed "
	       "-> denied\n" ONE,
	  true },
	{ DEVICE("null", "",
		 CELL("shared", "none", "absent", "absent", "false")),
	  HEAD "    and 1 of classes that it lacks\n" ONE, true },
	{ DEVICE("null",
		 "{\"type\":\"vp-config\",\"id\":\"work\",\"before\":null,"
		 "\"after\":3}",
		 ""),
	  HEAD "    vp-config work: version - -> 3\n" ONE, true },
	{ DEVICE("\"no image\"", "",
		 CELL("shared", "none", "allowed", "denied", "true")),
	  "dev-1 (a, group g): no change: no image\n" NONE, false },
	{ "{\"devices\":[{\"device\":\"d\\u001b[2J\",\"problem\":\"\\u0007\"}]"
	  "}",
	  "d\\u{1b}[2J (-, group -): no change: \\u{7}\n" NONE, false },
	{ "{}", "0 of 0 devices would change\n", false },
};

START_TEST(a_plan_says_what_would_change_and_whether)
{
	auto_json json_t *j = NULL;
	auto_free char *got = NULL;
	struct err e;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	ck_assert_msg(json_parse(cases[_i].plan, strlen(cases[_i].plan), "plan",
				 &j, &e) == 0,
		      "%s", e.text);
	ck_assert_int_eq(plan_write(f, j), cases[_i].changes);
	fclose(f);
	ck_assert_str_eq(got, cases[_i].want);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, a_plan_says_what_would_change_and_whether, 0,
			    ARRAY_SIZE(cases));
}

UNIT_MAIN("plan", add)
