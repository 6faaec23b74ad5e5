/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/snapshot.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define D(c) "sha256:" c c c c c c c c c c c c c c c c
#define HEAD                                                                   \
	"{\"format\":1,\"org\":\"acme\",\"device\":\"dev-0123456789ab\","      \
	"\"epoch\":\"0123456789abcdef0123456789abcdef\",\"version\":7,"        \
	"\"issued\":\"2026-11-20T08:00:00Z\","                                 \
	"\"expires\":\"2026-11-21T08:00:00Z\",\"documents\":"
#define DOC(type, id, version, c)                                              \
	"{\"type\":\"" type "\",\"id\":\"" id "\",\"version\":" version        \
	",\"sha256\":\"" D(c) "\"}"
#define GROUP DOC("group", "field", "5", "aaaa")
#define POLICY DOC("device-policy", "base", "12", "bbbb")
#define CONFIG DOC("vp-config", "work", "3", "cccc")
#define IMAGE DOC("image", "tiny", "4", "dddd")

static struct err e;

static struct snapshot *parsed(const char *json)
{
	struct snapshot *s;

	ck_assert_msg(snapshot_parse(json, strlen(json), &s, &e) == 0, "%s",
		      e.text);
	return s;
}

START_TEST(members_are_read)
{
	auto_free struct snapshot *s = parsed(HEAD "[" GROUP "," CONFIG "]}");

	ck_assert_str_eq(s->device, "dev-0123456789ab");
	ck_assert_uint_eq(s->version, 7);
	ck_assert_int_eq(s->expires - s->issued, SNAPSHOT_LIFE_MAX);
	ck_assert_uint_eq(s->n, 2);
	ck_assert_ptr_nonnull(snapshot_find_entry(s, DOC_VP_CONFIG, "work"));
	ck_assert_ptr_null(snapshot_find_entry(s, DOC_IMAGE, "work"));
}
END_TEST

static const char *const bad[] = {
	"",
	"[]",
	"{}",
	"null",
	HEAD "{}}",
	HEAD "[]",
	HEAD "[],\"more\":1}",
	HEAD "[1]}",
	HEAD "[{}]}",
	HEAD "[" GROUP "," GROUP "]}",
	HEAD "[" DOC("command", "x", "1", "aaaa") "]}",
	HEAD "[" DOC("root", "root", "1", "aaaa") "]}",
	HEAD "[" DOC("group", "../x", "1", "aaaa") "]}",
	HEAD "[" DOC("group", "field", "0", "aaaa") "]}",
	HEAD "[" DOC("group", "field", "-1", "aaaa") "]}",
	HEAD "[" DOC("group", "field", "2147483648", "aaaa") "]}",
	HEAD "[" DOC("group", "field", "1.5", "aaaa") "]}",
	HEAD "[" DOC("group", "field", "1", "AAAA") "]}",
	HEAD "[" DOC("group", "field", "1", "aaa") "]}",
	"{\"format\":2,\"org\":\"acme\",\"device\":\"d\",\"epoch\":\"e\"}",
};

START_TEST(other_forms_are_refused)
{
	struct snapshot *s = NULL;

	ck_assert_int_lt(snapshot_parse(bad[_i], strlen(bad[_i]), &s, &e), 0);
	ck_assert_int_eq(e.reason, REASON_SCHEMA);
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(life_is_bounded)
{
	auto_free char *text = strdup(HEAD "[]}");
	struct snapshot *s;

	/* A day is not too long, a second more is. */
	ck_assert_int_eq(snapshot_parse(text, strlen(text), &s, &e), 0);
	free(s);
	strstr(text, "21T08:00:00Z")[10] = '1';
	ck_assert_int_lt(snapshot_parse(text, strlen(text), &s, &e), 0);
	ck_assert_int_eq(e.reason, REASON_SCHEMA);
}
END_TEST

START_TEST(too_many_documents_are_refused)
{
	static char text[DOCUMENT_SET_MAX * 160 + 4096];
	struct snapshot *s;
	size_t n = (size_t)sprintf(text, "%s[", HEAD);

	for (unsigned int i = 0; i <= DOCUMENT_SET_MAX; i++)
		n += (size_t)sprintf(text + n,
				     "%s{\"type\":\"image\",\"id\":\"i%u\","
				     "\"version\":1,\"sha256\":\"%s\"}",
				     i ? "," : "", i, D("aaaa"));
	sprintf(text + n, "]}");
	ck_assert_int_lt(snapshot_parse(text, strlen(text), &s, &e), 0);
	ck_assert_int_eq(e.reason, REASON_SCHEMA);
}
END_TEST

/* ---- complete: exactly what the group names */
static const struct doc_group group = {
	.head = { .type = DOC_GROUP, .id = "field", .version = 5 },
	.n_refs = 2,
	.ref = { { DOC_DEVICE_POLICY, "base", 12 },
		 { DOC_VP_CONFIG, "work", 3 } },
};

static const struct {
	const char *documents;
	bool complete;
} sets[] = {
	{ "[" GROUP "," POLICY "," CONFIG "," IMAGE "]}", true },
	{ "[" IMAGE "," CONFIG "," POLICY "," GROUP "]}", true },
	{ "[" GROUP "," CONFIG "," IMAGE "]}", false },
	{ "[" GROUP "," POLICY "," IMAGE "]}", false },
	{ "[" GROUP "," POLICY "," CONFIG "]}", false },
	{ "[" POLICY "," CONFIG "," IMAGE "]}", false },
	{ "[" GROUP "," POLICY "," CONFIG "," IMAGE
	  "," DOC("device-policy", "extra", "1", "eeee") "]}",
	  false },
	{ "[" GROUP "," POLICY "," CONFIG "," IMAGE
	  "," DOC("vp-config", "other", "1", "eeee") "]}",
	  false },
	{ "[" GROUP "," POLICY "," CONFIG "," IMAGE
	  "," DOC("image", "extra", "1", "eeee") "]}",
	  false },
	{ "[" GROUP "," POLICY "," CONFIG "," IMAGE
	  "," DOC("group", "office", "1", "eeee") "]}",
	  false },
	{ "[" GROUP "," DOC("device-policy", "base", "11",
			    "bbbb") "," CONFIG "," IMAGE "]}",
	  false },
	{ "[" GROUP "," POLICY
	  "," DOC("vp-config", "work", "2", "cccc") "," IMAGE "]}",
	  false },
	{ "[" GROUP "," POLICY "," CONFIG
	  "," DOC("image", "tiny", "3", "dddd") "]}",
	  false },
	{ "[" DOC("group", "field", "4", "aaaa") "," POLICY "," CONFIG "," IMAGE
						 "]}",
	  false },
	{ "[" DOC("group", "office", "5", "aaaa") "," POLICY "," CONFIG
						  "," IMAGE "]}",
	  false },
};

START_TEST(set_is_exactly_what_the_group_names)
{
	struct doc_vp_config config = {
		.head = { .type = DOC_VP_CONFIG, .id = "work", .version = 3 },
		.image = "tiny",
		.image_min_version = 4,
	};
	struct document_set_entry row = { 1, (struct doc *)&config };
	const struct document_set docs = { .n = 1, .doc = { &row } };
	char text[4096];
	auto_free struct snapshot *s = NULL;
	int r;

	snprintf(text, sizeof(text), "%s%s", HEAD, sets[_i].documents);
	s = parsed(text);
	r = snapshot_check_group(s, "field", 5, &e);
	if (r == 0)
		r = snapshot_check_group_refs(s, &group, &e);
	if (r == 0)
		r = snapshot_check_images(s, &docs, &e);
	ck_assert_int_eq(r == 0, sets[_i].complete);
	if (r < 0)
		ck_assert_int_eq(e.reason, REASON_INCOMPLETE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, members_are_read);
	tcase_add_loop_test(tc, other_forms_are_refused, 0, ARRAY_SIZE(bad));
	tcase_add_test(tc, life_is_bounded);
	tcase_add_test(tc, too_many_documents_are_refused);
	tcase_add_loop_test(tc, set_is_exactly_what_the_group_names, 0,
			    ARRAY_SIZE(sets));
}

UNIT_MAIN("snapshot", add)
