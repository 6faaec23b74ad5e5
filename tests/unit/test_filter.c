/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/filter.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static const struct filter_field fields[] = {
	{ "id", "id", FILTER_TEXT },
	{ "seq", "seq", FILTER_NUMBER },
	{ "seen", "seen", FILTER_TIME },
	{ "connected", "connected(id)", FILTER_BOOL },
	{ "label.", "labels", FILTER_LABEL },
	{ NULL },
};

static const struct {
	const char *text, *sql;
	const char *values; /* joined by "|"; numbers in decimal */
} good[] = {
	{ "id eq x", "(id = ?)", "x" },
	{ "  id   ne  \"a \\\"b\\\" c\" ", "(id IS NOT ?)", "a \"b\" c" },
	{ "seq ge 7", "(seq >= ?)", "7" },
	{ "seen lt 2026-11-20T08:00:00Z", "(coalesce(seen, 0) < ?)",
	  "1795161600" },
	{ "connected eq true", "(coalesce(connected(id), 0) = ?)", "1" },
	{ "id like a*_%", "(id LIKE ? ESCAPE '\\')", "a%\\_\\%" },
	{ "label.site eq b-2", "(json_extract(labels, ?) = ?)",
	  "$.\"site\"|b-2" },
	{ "id eq a and seq eq 1 or id eq b", "(id = ? AND seq = ? OR id = ?)",
	  "a|1|b" },
	{ "id eq a and (seq eq 1 or seq eq 2)",
	  "(id = ? AND (seq = ? OR seq = ?))", "a|1|2" },
	{ "id eq and", "(id = ?)", "and" },
	{ "id eq \"\"", "(id = ?)", "" },
};

static void join(const struct filter *f, char *ret, size_t size)
{
	size_t n = 0;

	ret[0] = '\0';
	for (unsigned int i = 0; i < f->n; i++)
		n += (size_t)(f->value[i].text
				      ? snprintf(ret + n, size - n, "%s%s",
						 i ? "|" : "", f->value[i].text)
				      : snprintf(
						ret + n, size - n, "%s%lld",
						i ? "|" : "",
						(long long)f->value[i].number));
}

START_TEST(filter_becomes_a_condition_with_its_values)
{
	struct filter f;
	struct err e;
	char values[256];

	ck_assert_msg(filter_parse(good[_i].text, fields, &f, &e) == 0, "%s",
		      e.text);
	join(&f, values, sizeof(values));
	ck_assert_str_eq(f.sql, good[_i].sql);
	ck_assert_str_eq(values, good[_i].values);
	filter_fini(&f);
}
END_TEST

static const char *const bad[] = {
	"",
	"id",
	"id eq",
	"id eq \"x",
	"id is x",
	"rowid eq x",
	"id eq x y",
	"id eq x and",
	"(id eq x",
	"id eq x)",
	"()",
	"\"id\" eq x",
	"seq eq x",
	"seq eq -1",
	"seq like 1*",
	"seen eq today",
	"connected eq 1",
	"label. eq x",
	"label.A eq x",
	"label.x\"y eq x",
	"((((((((((id eq x))))))))))",
};

START_TEST(other_text_is_a_bad_filter)
{
	struct filter f;
	struct err e;

	ck_assert_int_eq(filter_parse(bad[_i], fields, &f, &e),
			 -PROBLEM_BAD_FILTER);
	filter_fini(&f);
}
END_TEST

START_TEST(filter_has_bounds)
{
	char text[2 * FILTER_TEXT_MAX];
	struct filter f;
	struct err e;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(filter_parse(text, fields, &f, &e),
			 -PROBLEM_BAD_FILTER);
	filter_fini(&f);
	/* More values than there is room for. */
	strcpy(text, "id eq x");
	for (int i = 0; i < FILTER_VALUES_MAX; i++)
		strcat(text, " or id eq x");
	ck_assert_int_eq(filter_parse(text, fields, &f, &e),
			 -PROBLEM_BAD_FILTER);
	filter_fini(&f);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, filter_becomes_a_condition_with_its_values, 0,
			    ARRAY_SIZE(good));
	tcase_add_loop_test(tc, other_text_is_a_bad_filter, 0, ARRAY_SIZE(bad));
	tcase_add_test(tc, filter_has_bounds);
}

UNIT_MAIN("filter", add)
