/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/documents/revision.h"

#include "cellsadm/documents/template.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#define PASSWORD "six plain words for a test"

static struct err e;

static const struct {
	const char *before, *element, *attribute, *after;
} settings[] = {
	{ "<a x=\"1\"/>", "a", "x", "<a x=\"N\"/>" },
	{ "<a y='2' x = '1'>", "a", "x", "<a y='2' x = 'N'>" },
	{ "<!-- <a x=\"0\"/> --><a x=\"1\"/>", "a", "x",
	  "<!-- <a x=\"0\"/> --><a x=\"N\"/>" },
	{ "<ab x=\"0\"/><a x=\"1\"/>", "a", "x", "<ab x=\"0\"/><a x=\"N\"/>" },
	{ "<a xx=\"0\" x=\"1\"/>", "a", "x", "<a xx=\"0\" x=\"N\"/>" },
	{ "<a y=\" x='0' \" x=\"1\"/>", "a", "x",
	  "<a y=\" x='0' \" x=\"N\"/>" },
	{ "<a y=\"1\"/>", "a", "x", NULL },
	{ "<!-- <a x=\"1\"/>", "a", "x", NULL },
	{ "<a x=1/>", "a", "x", NULL },
	{ "<a x=\"1", "a", "x", NULL },
	{ "", "a", "x", NULL },
};

START_TEST(one_attribute_is_replaced_and_nothing_else)
{
	auto_free char *text = strdup(settings[_i].before);
	int r = revision_set_attribute(&text, settings[_i].element,
				       settings[_i].attribute, "N", &e);

	ck_assert_int_eq(r, settings[_i].after ? 0 : -ENOENT);
	ck_assert_str_eq(text, settings[_i].after ? settings[_i].after
						  : settings[_i].before);
}
END_TEST

static char *config(void)
{
	const struct template_options s = { .org = "acme",
					    .id = "work",
					    .version = 7,
					    .days = 30,
					    .image = "img:1",
					    .password = PASSWORD,
					    .secrets = "wifi",
					    .secrets_len = 4 };
	char *xml;

	ck_assert_msg(template_build_xml(DOC_VP_CONFIG, &s, &xml, &e) == 0,
		      "%s", e.text);
	return xml;
}

START_TEST(the_next_config_has_a_salt_of_its_own)
{
	AUTO(doc_freep) struct doc *old = NULL, *new = NULL;
	auto_free char *xml = config(), *next = NULL, *third = NULL;
	const struct doc_vp_config *a, *b;

	ck_assert_int_eq(doc_parse(DOC_VP_CONFIG, xml, strlen(xml), &old, &e),
			 0);
	ck_assert_msg(revision_build_xml(old, xml, PASSWORD, &next, &e) == 0,
		      "%s", e.text);
	ck_assert_int_eq(doc_parse(DOC_VP_CONFIG, next, strlen(next), &new, &e),
			 0);
	a = doc_as_vp_config(old);
	b = doc_as_vp_config(new);
	ck_assert_uint_eq(b->head.version, 8);
	ck_assert_int_eq(b->head.expires - b->head.issued, 30 * 86400);
	ck_assert_mem_ne(a->salt, b->salt, a->salt_len);
	ck_assert_mem_ne(a->verifier, b->verifier, HASH_SIZE);
	/* Its secrets open by the same password: it can be followed again. */
	ck_assert_msg(revision_build_xml(new, next, PASSWORD, &third, &e) == 0,
		      "%s", e.text);
}
END_TEST

START_TEST(a_wrong_password_makes_no_next_config)
{
	AUTO(doc_freep) struct doc *old = NULL;
	auto_free char *xml = config(), *next = NULL;

	ck_assert_int_eq(doc_parse(DOC_VP_CONFIG, xml, strlen(xml), &old, &e),
			 0);
	ck_assert_int_lt(
		revision_build_xml(old, xml, "another long one", &next, &e), 0);
	ck_assert_int_eq(e.reason, REASON_PASSWORD);
	ck_assert_int_eq(revision_build_xml(old, xml, NULL, &next, &e),
			 -EACCES);
	ck_assert_ptr_null(next);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, one_attribute_is_replaced_and_nothing_else, 0,
			    ARRAY_SIZE(settings));
	tcase_add_test(tc, the_next_config_has_a_salt_of_its_own);
	tcase_add_test(tc, a_wrong_password_makes_no_next_config);
}

UNIT_MAIN("revision", add)
