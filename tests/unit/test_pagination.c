/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pagination.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static struct err e;

/* A server: its pages, and the paths that were asked for. */
static const char *const *pages;
static unsigned int asked;
static char paths[512];

static int get(void *ctx, const char *path, json_t **ret, struct err *why)
{
	size_t used = strlen(paths);

	ck_assert_ptr_eq(ctx, &pages);
	snprintf(paths + used, sizeof(paths) - used, " %s", path);
	if (!pages[asked])
		return err_set(why, ECONNRESET, "cut");
	return json_parse(pages[asked], strlen(pages[asked]), "page", ret, why);
}

static int next(void *ctx, const char *path, json_t **ret, struct err *why)
{
	int r = get(ctx, path, ret, why);

	asked++;
	return r;
}

static int endless(void *ctx, const char *path, json_t **ret, struct err *why)
{
	paths[0] = '\0';
	return get(ctx, path, ret, why);
}

static int list(const char *const *of, const char *path, unsigned int max,
		pagination_get_fn *fn, json_t **ret)
{
	pages = of;
	asked = 0;
	paths[0] = '\0';
	return pagination_read(path, max, fn, &pages, ret, &e);
}

static const char *const three[] = {
	"{\"items\": [1, 2], \"next\": \"a/b\"}",
	"{\"items\": [], \"next\": \"c\"}",
	"{\"items\": [3], \"next\": null}",
	NULL,
};

START_TEST(pages_become_one_list)
{
	auto_json json_t *all = NULL;

	ck_assert_msg(list(three, "/v1/x?f=1", 0, next, &all) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(json_array_size(all), 3);
	ck_assert_int_eq(json_integer_value(json_array_get(all, 2)), 3);
	ck_assert_str_eq(paths, " /v1/x?f=1&limit=500"
				" /v1/x?f=1&limit=500&cursor=a%2Fb"
				" /v1/x?f=1&limit=500&cursor=c");
}
END_TEST

START_TEST(no_more_is_read_than_was_asked_for)
{
	auto_json json_t *all = NULL;

	ck_assert_int_eq(list(three, "/v1/x", 1, next, &all), 0);
	ck_assert_uint_eq(json_array_size(all), 1);
	ck_assert_str_eq(paths, " /v1/x?limit=1");
}
END_TEST

static const char *const no_list[] = { "{\"next\": null}", NULL };
static const char *const begun[] = { "{\"items\": [1], \"next\": \"a\"}",
				     NULL };

START_TEST(half_a_list_is_none)
{
	json_t *all = NULL;

	ck_assert_int_eq(list(no_list, "/v1/x", 0, next, &all), -EBADMSG);
	ck_assert_int_eq(list(begun, "/v1/x", 0, next, &all), -ECONNRESET);
	ck_assert_ptr_null(all);
}
END_TEST

START_TEST(list_without_an_end_is_refused)
{
	json_t *all = NULL;

	ck_assert_int_eq(list(begun, "/v1/x", 0, endless, &all), -EBADMSG);
	ck_assert_ptr_null(all);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, pages_become_one_list);
	tcase_add_test(tc, no_more_is_read_than_was_asked_for);
	tcase_add_test(tc, half_a_list_is_none);
	tcase_add_test(tc, list_without_an_end_is_refused);
}

UNIT_MAIN("pagination", add)
