/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define DIGEST                                                                 \
	"sha256:"                                                              \
	"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

static const struct {
	const char *name;
	bool is_known;
} names[] = {
	{ "amd64", true },    { "arm64", true },   { "armel", true },
	{ "armhf", true },    { "i386", true },	   { "mips64el", true },
	{ "mipsel", true },   { "ppc64el", true }, { "riscv64", true },
	{ "s390x", true },    { "x86_64", false }, { "arm46", false },
	{ "aarch64", false }, { "AMD64", false },  { "amd64 ", false },
	{ "", false },
};

/* What the program knows is what the schema allows. */
START_TEST(program_and_schema_know_the_same_names)
{
	char xml[1024];
	struct doc *doc = NULL;
	struct err e;
	int r;

	snprintf(xml, sizeof(xml),
		 "<image xmlns=\"urn:cells:image:1\" org=\"acme\" id=\"work\""
		 " version=\"1\" issued=\"2026-11-20T08:00:00Z\""
		 " expires=\"2027-11-20T08:00:00Z\" architecture=\"%s\""
		 " init=\"/sbin/init\" stop-signal=\"TERM\" min-agent=\"1\">"
		 "<layer digest=\"" DIGEST "\" size=\"1\" chunks=\"" DIGEST
		 "\"/></image>",
		 names[_i].name);
	r = doc_parse(DOC_IMAGE, xml, strlen(xml), &doc, &e);
	ck_assert_msg((r == 0) == names[_i].is_known, "%s: %s", names[_i].name,
		      r == 0 ? "taken" : e.text);
	ck_assert(architecture_is_known(names[_i].name) == names[_i].is_known);
	doc_free(doc);
}
END_TEST

START_TEST(own_architecture_is_that_of_the_machine)
{
	struct utsname u;

	ck_assert(architecture_is_known(architecture_own()));
	ck_assert_int_eq(uname(&u), 0);
	if (architecture_of_machine(u.machine))
		ck_assert_str_eq(architecture_of_machine(u.machine),
				 architecture_own());
	ck_assert_ptr_null(architecture_of_machine("pdp11"));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, program_and_schema_know_the_same_names, 0,
			    ARRAY_SIZE(names));
	tcase_add_test(tc, own_architecture_is_that_of_the_machine);
}

UNIT_MAIN("architecture", add)
