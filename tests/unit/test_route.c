/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/route.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "mgmt-server/server.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

static int find(struct request *rq, enum method m, const char *path,
		enum route_port port)
{
	struct err e;

	request_init(rq, NULL);
	rq->method = m;
	snprintf(rq->path, sizeof(rq->path), "%s", path);
	return route_find(rq, port, &e);
}

static const struct {
	enum method method;
	const char *path, *name, *first, *last;
} found[] = {
	{ METHOD_GET, "/healthz", "health", NULL, NULL },
	{ METHOD_GET, "/v1/devices/dev-1", "device", "dev-1", "dev-1" },
	{ METHOD_GET, "/v1/devices/dev-1/access/work/camera", "device-explain",
	  "dev-1", "camera" },
	{ METHOD_POST, "/v1/chunks/missing", "chunks-missing", NULL, NULL },
	{ METHOD_PUT, "/v1/chunks/missing", "chunk-put", "missing", "missing" },
	{ METHOD_GET, "/v1/documents/image/tiny/latest/envelope",
	  "document-version-envelope", "image", "latest" },
	{ METHOD_GET, "/v1/documents/sha256:00/envelope", "document-envelope",
	  "sha256:00", "sha256:00" },
};

START_TEST(path_leads_to_its_route_with_its_parameters)
{
	struct request rq;
	unsigned int n = 0;

	ck_assert_int_eq(
		find(&rq, found[_i].method, found[_i].path, ROUTE_ADMIN), 0);
	ck_assert_str_eq(rq.route->name, found[_i].name);
	while (n < REQUEST_PARAMS && rq.param[n])
		n++;
	if (!found[_i].first) {
		ck_assert_uint_eq(n, 0);
	} else {
		ck_assert_str_eq(rq.param[0], found[_i].first);
		ck_assert_str_eq(rq.param[n - 1], found[_i].last);
	}
}
END_TEST

static const struct {
	enum method method;
	const char *path;
	enum route_port port;
	int code;
} lost[] = {
	{ METHOD_GET, "/", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_GET, "", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_GET, "/v1", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_GET, "/v1/devices/", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_GET, "/v1/devices//vps", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_GET, "/v1/devices/x/vps/", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_GET, "//v1/devices", ROUTE_ADMIN, PROBLEM_NOT_FOUND },
	{ METHOD_DELETE, "/v1/devices", ROUTE_ADMIN, PROBLEM_METHOD },
	{ METHOD_GET, "/v1/devices", ROUTE_DEVICE, PROBLEM_NOT_FOUND },
	{ METHOD_POST, "/v1/enroll", ROUTE_DEVICE, PROBLEM_NOT_FOUND },
	{ METHOD_PUT, "/v1/chunks/x", ROUTE_DEVICE, PROBLEM_METHOD },
};

START_TEST(other_path_leads_nowhere)
{
	struct request rq;

	ck_assert_int_eq(
		find(&rq, lost[_i].method, lost[_i].path, lost[_i].port),
		-lost[_i].code);
}
END_TEST

/* What each role may, written down once more, by hand. */
static const struct {
	const char *role, *rights; /* r a o p i A */
} roles[] = {
	{ "viewer", "r" },	 { "auditor", "ra" },
	{ "operator", "ro" },	 { "policy-admin", "rp" },
	{ "image-admin", "ri" }, { "admin", "raopiA" },
	{ "nobody", "" },	 { "", "" },
};

START_TEST(role_gives_these_rights_and_no_other)
{
	static const struct {
		char letter;
		enum right right;
	} letters[] = { { 'r', RIGHT_READ },	{ 'a', RIGHT_AUDIT },
			{ 'o', RIGHT_OPERATE }, { 'p', RIGHT_POLICY },
			{ 'i', RIGHT_IMAGE },	{ 'A', RIGHT_ADMIN } };
	unsigned int have = token_get_role_rights(roles[_i].role);

	for (size_t k = 0; k < ARRAY_SIZE(letters); k++)
		ck_assert_int_eq(!!(have & letters[k].right),
				 !!strchr(roles[_i].rights, letters[k].letter));
}
END_TEST

/* Nothing that changes something may be reached by reading rights. */
START_TEST(write_needs_more_than_reading)
{
	static const char *const open[] = { "login", "enroll", "renew",
					    "plan" };
	const struct route *rt = &route_table[_i];
	bool is_open = false;

	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		is_open |= strcmp(open[i], rt->name) == 0;
	if (rt->method != METHOD_GET && !is_open)
		ck_assert_msg(rt->right > RIGHT_READ, "%s", rt->name);
	ck_assert_ptr_nonnull(rt->name);
	ck_assert(rt->handle || (rt->flags & ROUTE_WS));
}
END_TEST

START_TEST(scope_shows_its_groups_only)
{
	auto_json json_t *some = json_pack("[s, s]", "field", "lab");
	auto_json json_t *all = json_array();
	struct token b = { .groups = some };

	ck_assert(token_can_see_group(&b, "lab"));
	ck_assert(!token_can_see_group(&b, "office"));
	ck_assert(!token_can_see_group(&b, NULL));
	b.groups = all;
	ck_assert(token_can_see_group(&b, "office"));
	ck_assert(token_can_see_group(&b, NULL));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, path_leads_to_its_route_with_its_parameters, 0,
			    ARRAY_SIZE(found));
	tcase_add_loop_test(tc, other_path_leads_nowhere, 0, ARRAY_SIZE(lost));
	tcase_add_loop_test(tc, role_gives_these_rights_and_no_other, 0,
			    ARRAY_SIZE(roles));
	tcase_add_loop_test(tc, write_needs_more_than_reading, 0,
			    (int)route_count);
	tcase_add_test(tc, scope_shows_its_groups_only);
}

UNIT_MAIN("route", add)
