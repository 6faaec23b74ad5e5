/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/access/evaluate.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct err e;
static const struct access_time noon = { .weekday = 2,
					 .minute = 720,
					 .trusted = true };

#define ATTRS                                                                  \
	" org='acme' version='1' issued='2026-11-20T08:00:00Z'"                \
	" expires='2027-11-20T08:00:00Z'"
#define POLICY(id, body)                                                       \
	"<device-policy xmlns='urn:cells:device-policy:1' id='" id "'" ATTRS   \
	">" body "</device-policy>"
#define CONFIG(id)                                                             \
	"<vp-config xmlns='urn:cells:vp-config:1' id='" id "'" ATTRS           \
	"><image id='tiny' min-version='1'/></vp-config>"

static void hold(struct document_set *h, enum doc_type type, const char *xml)
{
	struct doc *d;

	ck_assert_msg(doc_parse(type, xml, strlen(xml), &d, &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(document_set_add(h, d, &e), 0);
}

static struct access_right right(const struct document_set *h,
				 enum doc_level level, const char *vp,
				 enum cells_class c)
{
	struct access_right r;

	evaluate_right(h, level, vp, c, &noon, &r);
	return r;
}

START_TEST(policy_that_cannot_be_enforced_grants_nothing)
{
	AUTO(document_set_fini) struct document_set h = { 0 };

	hold(&h, DOC_DEVICE_POLICY,
	     POLICY("a", "<require enforcement='live'/>"
			 "<vp id='work'><default mode='shared'/></vp>"));
	hold(&h, DOC_DEVICE_POLICY,
	     POLICY("b", "<vp id='personal'><default mode='shared'/></vp>"));
	ck_assert_int_eq(right(&h, DOC_LIVE, "work", CELLS_CLASS_GPU).right.use,
			 CELLS_USE_ANY);
	ck_assert_int_eq(right(&h, DOC_OPEN, "work", CELLS_CLASS_GPU).right.use,
			 CELLS_USE_NONE);
	/* VPs that it does not speak of keep what others give. */
	ck_assert_int_eq(
		right(&h, DOC_OPEN, "personal", CELLS_CLASS_GPU).right.use,
		CELLS_USE_ANY);
}
END_TEST

/* A policy may be among the documents that have gone. */
START_TEST(set_with_something_missing_gives_what_a_vp_is_seen_by)
{
	AUTO(document_set_fini) struct document_set h = { .is_partial = true };

	hold(&h, DOC_DEVICE_POLICY,
	     POLICY("a", "<vp id='work'><default mode='shared'/></vp>"));
	ck_assert_int_eq(right(&h, DOC_OPEN, "work", CELLS_CLASS_GPU).right.use,
			 CELLS_USE_NONE);
	ck_assert_int_eq(
		right(&h, DOC_OPEN, "work", CELLS_CLASS_DISPLAY).right.use,
		CELLS_USE_FRONT);
	ck_assert_int_eq(
		right(&h, DOC_OPEN, "work", CELLS_CLASS_INPUT).right.use,
		CELLS_USE_FRONT);
}
END_TEST

static const struct evaluate_row *find(const struct evaluate_row *rows,
				       size_t n, const char *vp,
				       enum cells_class c)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].cls == c && strcmp(rows[i].vp, vp) == 0)
			return &rows[i];
	return NULL;
}

START_TEST(table_has_configs_only)
{
	AUTO(document_set_fini) struct document_set h = { 0 };
	auto_free struct evaluate_row *rows = NULL;
	size_t n;

	hold(&h, DOC_DEVICE_POLICY,
	     POLICY("a", "<vp id='work'>"
			 "<class name='camera' mode='exclusive'/>"
			 "<class name='gps' mode='none' block='true'/>"
			 "<class name='nfc' mode='none'/>"
			 "<class name='usb' mode='none' on-revoke='keep'/></vp>"
			 "<vp id='ghost'><default mode='shared'/></vp>"));
	hold(&h, DOC_VP_CONFIG, CONFIG("work"));
	hold(&h, DOC_VP_CONFIG, CONFIG("personal"));
	ck_assert_int_eq(evaluate_table(&h, DOC_OPEN, &noon, &rows, &n, &e), 0);
	ck_assert_int_eq(find(rows, n, "work", CELLS_CLASS_CAMERA)->right.use,
			 CELLS_USE_FRONT);
	ck_assert(find(rows, n, "work", CELLS_CLASS_CAMERA)->right.block);
	ck_assert(find(rows, n, "work", CELLS_CLASS_CAMERA)->kill);
	ck_assert(find(rows, n, "work", CELLS_CLASS_GPS)->right.block);
	ck_assert_ptr_null(find(rows, n, "work", CELLS_CLASS_NFC));
	ck_assert(!find(rows, n, "work", CELLS_CLASS_USB)->kill);
	ck_assert_ptr_null(find(rows, n, "ghost", CELLS_CLASS_GPU));
	ck_assert_ptr_null(find(rows, n, "personal", CELLS_CLASS_GPU));
}
END_TEST

START_TEST(shared_documents_outlive_one_set)
{
	struct document_set a = { 0 };
	AUTO(document_set_fini) struct document_set b = { 0 };

	hold(&a, DOC_VP_CONFIG, CONFIG("work"));
	ck_assert_int_eq(document_set_add_shared(&b, a.doc[0], &e), 0);
	document_set_fini(&a);
	ck_assert_ptr_null(document_set_find_config(&a, "work"));
	ck_assert_str_eq(document_set_find_config(&b, "work")->image, "tiny");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, policy_that_cannot_be_enforced_grants_nothing);
	tcase_add_test(tc, table_has_configs_only);
	tcase_add_test(tc,
		       set_with_something_missing_gives_what_a_vp_is_seen_by);
	tcase_add_test(tc, shared_documents_outlive_one_set);
}

UNIT_MAIN("evaluate", add)
