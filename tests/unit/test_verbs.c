/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/verbs.h"

#include "cellsadm/remote.h"
#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

#define FOR_EACH_VERB(g, v)                                                    \
	for (const struct verb_group *g = verbs_get_program()->groups;         \
	     g->verbs; g++)                                                    \
		for (const struct verb *v = g->verbs; v->name; v++)

START_TEST(each_verb_is_listed_once_and_is_whole)
{
	FOR_EACH_VERB(g, v)
	{
		ck_assert_ptr_nonnull(v->run);
		ck_assert_int_le(v->min_args, v->max_args);
		ck_assert_uint_gt(strlen(v->summary), 0);
		FOR_EACH_VERB(h, w)
		{
			ck_assert_msg(v == w || strcmp(g->noun, h->noun) != 0 ||
					      strcmp(v->name, w->name) != 0,
				      "%s %s is listed twice", g->noun,
				      v->name);
		}
	}
}
END_TEST

static size_t get_value_size(enum opt_kind kind)
{
	switch (kind) {
	case OPT_FLAG:
		return sizeof(bool);
	case OPT_STRING:
		return sizeof(char *);
	case OPT_NUMBER:
		return sizeof(uint64_t);
	default:
		return sizeof(struct opt_list);
	}
}

START_TEST(each_option_lies_in_its_verbs_struct)
{
	FOR_EACH_VERB(g, v)
	{
		for (const struct opt *o = v->opts; o && o->name; o++) {
			ck_assert_uint_le((uintptr_t)o->value +
						  get_value_size(o->kind),
					  v->size);
			ck_assert_int_eq(o->kind == OPT_FLAG, !o->arg);
			ck_assert_str_ne(o->name, "help");
			ck_assert_str_ne(o->name, "version");
		}
	}
}
END_TEST

START_TEST(paths_are_escaped)
{
	const char *const path[] = { "devices", "a/b?c",      "audit", "?",
				     "filter",	"x eq \"1\"", "at",    NULL,
				     "to",	"t",	      NULL,    NULL };
	auto_free char *text = remote_format_path(path);

	ck_assert_str_eq(text, "/v1/devices/a%2Fb%3Fc/audit?"
			       "filter=x%20eq%20%221%22&to=t");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, each_verb_is_listed_once_and_is_whole);
	tcase_add_test(tc, each_option_lies_in_its_verbs_struct);
	tcase_add_test(tc, paths_are_escaped);
}

UNIT_MAIN("verbs", add)
