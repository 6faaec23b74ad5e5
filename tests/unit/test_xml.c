/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile input: each costs little, opens nothing and prints nothing. */
#include "lib/document/xml.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/xsd.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

/* gcc says it by a macro of its own, clang by a feature. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

#define COST_MAX_NS                                                            \
	UINT64_C(1500000000) /* with sanitizers, on a busy machine */
#define HEAD                                                                   \
	"<group xmlns='urn:cells:group:1' org='acme' id='field' version='1' "  \
	"issued='2026-11-20T08:00:00Z' expires='2026-11-27T08:00:00Z'"

static struct err e;

/* A text that grows, with room for more than is allowed. */
#define ROOM (2 * XML_SIZE_MAX)
struct text {
	char *s;
	size_t len;
};

static void put(struct text *t, const char *s, size_t times)
{
	size_t n = strlen(s);

	if (!t->s)
		t->s = malloc(ROOM);
	ck_assert_ptr_nonnull(t->s);
	ck_assert_uint_lt(t->len + n * times, ROOM);
	for (; times > 0; times--, t->len += n)
		memcpy(t->s + t->len, s, n);
	t->s[t->len] = '\0';
}

static int parse(const struct text *t)
{
	AUTO(xml_freep) struct xml *x = NULL;

	return xml_parse("group", t->s, t->len, &x, &e);
}

static void many_attributes(struct text *t, unsigned int n)
{
	put(t, HEAD, 1);
	for (unsigned int i = 0; i < n; i++) {
		char a[32];

		snprintf(a, sizeof(a), " a%u=''", i);
		put(t, a, 1);
	}
	put(t, "/>", 1);
}

static void deep(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "<policy>", 50000);
}

static void wide(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "<policy/>", 50000);
	put(t, "</group>", 1);
}

static void bomb(struct text *t)
{
	put(t, "<!DOCTYPE group [<!ENTITY a0 'aaaaaaaaaa'>", 1);
	for (int i = 1; i < 40; i++) {
		char d[96];

		snprintf(d, sizeof(d), "<!ENTITY a%d '&a%d;&a%d;'>", i, i - 1,
			 i - 1);
		put(t, d, 1);
	}
	put(t, "]>" HEAD ">&a39;</group>", 1);
}

static void quadratic(struct text *t)
{
	put(t, "<!DOCTYPE group [<!ENTITY a '", 1);
	put(t, "a", 60000);
	put(t, "'>]>" HEAD ">", 1);
	put(t, "&a;", 60000);
	put(t, "</group>", 1);
}

static void parameter_entity(struct text *t)
{
	put(t,
	    "<!DOCTYPE group [<!ENTITY % p SYSTEM 'file:///etc/hostname'> %p;"
	    "]>" HEAD "/>",
	    1);
}

static void crowded(struct text *t)
{
	many_attributes(t, 50000);
}

static void namespaces(struct text *t)
{
	put(t, HEAD, 1);
	for (int i = 0; i < 20000; i++) {
		char a[48];

		snprintf(a, sizeof(a), " xmlns:n%d = 'urn:%d'", i, i);
		put(t, a, 1);
	}
	put(t, "/>", 1);
}

static void huge_value(struct text *t)
{
	put(t, HEAD " note='", 1);
	put(t, "x", 400000);
	put(t, "'/>", 1);
}

static void huge_id(struct text *t)
{
	put(t, "<group xmlns='urn:cells:group:1' id='", 1);
	put(t, "x", 400000);
	put(t, "'/>", 1);
}

static void huge_text(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "x", 400000);
	put(t, "</group>", 1);
}

static void huge_name(struct text *t)
{
	put(t, "<", 1);
	put(t, "g", 400000);
	put(t, "/>", 1);
}

static void references(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "&#x21;", 70000);
	put(t, "</group>", 1);
}

static void comments(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "<!---->", 60000);
	put(t, "<x/></group>", 1);
}

static void instructions(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "<?a?>", 60000);
	put(t, "<x/></group>", 1);
}

static void cdata(struct text *t)
{
	put(t, HEAD ">", 1);
	put(t, "<![CDATA[ ]]>", 30000);
	put(t, "<x/></group>", 1);
}

static void zero_bytes(struct text *t)
{
	put(t, HEAD "/>", 1);
	memset(t->s, 0, t->len);
}

static void zero_byte_inside(struct text *t)
{
	put(t, HEAD "/>", 1);
	t->s[strlen("<group ")] = '\0';
}

static void bad_utf8(struct text *t)
{
	put(t, HEAD ">\xc3\x28\xed\xa0\x80</group>", 1);
}

/* Many attributes that no look at single bytes would find. */
static void utf16(struct text *t)
{
	struct text narrow = { 0 };

	many_attributes(&narrow, 20000);
	put(t, "\xff\xfe", 1);
	for (size_t i = 0; i < narrow.len; i++) {
		t->s[t->len++] = narrow.s[i];
		t->s[t->len++] = '\0';
	}
	free(narrow.s);
}

static void utf7_attributes(struct text *t)
{
	put(t, "<?xml version='1.0' encoding='UTF-7'?>" HEAD, 1);
	for (int i = 0; i < 20000; i++) {
		char a[32];

		snprintf(a, sizeof(a), " a%d+AD0AIgAi-", i);
		put(t, a, 1);
	}
	put(t, "/>", 1);
}

static void utf7(struct text *t)
{
	put(t, "<?xml version='1.0' encoding='UTF-7'?>" HEAD "/>", 1);
}

static void ebcdic(struct text *t)
{
	put(t, "\x4c\x6f\xa7\x94\x93 version", 1);
}

static void version_2(struct text *t)
{
	put(t, "<?xml version='2.0'?>" HEAD " x=''/>", 1);
}

static void two_roots(struct text *t)
{
	put(t, HEAD "/>" HEAD "/>", 1);
}

static void nothing(struct text *t)
{
	put(t, "", 1);
}

static void schema_hint(struct text *t)
{
	put(t,
	    HEAD " xmlns:x='http://www.w3.org/2001/XMLSchema-instance' "
		 "x:schemaLocation='urn:cells:group:1 /etc/hostname'/>",
	    1);
}

static void other_type_hint(struct text *t)
{
	put(t,
	    HEAD " xmlns:x='http://www.w3.org/2001/XMLSchema-instance' "
		 "x:type='reference'/>",
	    1);
}

static void (*const hostile[])(struct text *t) = {
	crowded,	 namespaces,	   deep,       wide,	     bomb,
	quadratic,	 parameter_entity, huge_value, huge_id,	     huge_text,
	huge_name,	 references,	   comments,   instructions, cdata,
	zero_bytes,	 zero_byte_inside, bad_utf8,   utf16,	     utf7,
	utf7_attributes, ebcdic,	   version_2,  two_roots,    nothing,
	schema_hint,	 other_type_hint,
};

/* What the process writes to stderr comes here. */
static int catch_stderr(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	return fd;
}

START_TEST(hostile_input_is_a_cheap_error)
{
	struct text t = { 0 };
	auto_close int fd = -1;
	uint64_t start;
	struct rusage ru;
	long before;

	hostile[_i](&t);
	ck_assert_uint_le(t.len, XML_SIZE_MAX);
	fd = catch_stderr();
	getrusage(RUSAGE_SELF, &ru);
	before = ru.ru_maxrss;
	start = clock_mono_ns();
	ck_assert_int_lt(parse(&t), 0);
	ck_assert_uint_lt(clock_mono_ns() - start, COST_MAX_NS);
	getrusage(RUSAGE_SELF, &ru);
	ck_assert_int_lt(ru.ru_maxrss - before, 64 * 1024);
	ck_assert_str_eq(err_code(&e), "err.schema");
	ck_assert_ptr_null(strchr(e.text, '\n'));
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 0);
	free(t.s);
}
END_TEST

START_TEST(too_large_has_a_reason_of_its_own)
{
	struct text t = { 0 };

	put(&t, HEAD "/>", 1);
	ck_assert_int_eq(parse(&t), 0);
	put(&t, "\n", XML_SIZE_MAX - t.len);
	ck_assert_int_eq(parse(&t), 0);
	put(&t, "\n", 1);
	ck_assert_int_eq(parse(&t), -reason_errno(REASON_TOO_LARGE));
	ck_assert_str_eq(err_code(&e), "err.too-large");
	free(t.s);
}
END_TEST

/* What is refused before the schema could say that it is unknown anyway. */
static const struct {
	void (*make)(struct text *t);
	const char *why;
} early[] = {
	{ bomb, "document type declaration" },
	{ quadratic, "document type declaration" },
	{ parameter_entity, "document type declaration" },
	{ deep, "nested too deep" },
	{ wide, "too many elements" },
	{ huge_value, "value is too long" },
	{ huge_id, "value is too long" },
	{ schema_hint, "attribute with a namespace" },
	{ crowded, "more than" },
	{ utf16, "not UTF-8" },
	{ utf7, "not UTF-8" },
	{ utf7_attributes, "not UTF-8" },
	{ zero_byte_inside, "not UTF-8" },
};

START_TEST(limits_come_before_the_schema)
{
	struct text t = { 0 };

	early[_i].make(&t);
	ck_assert_int_lt(parse(&t), 0);
	ck_assert_msg(strstr(e.text, early[_i].why), "%s", e.text);
	free(t.s);
}
END_TEST

START_TEST(error_in_the_form_names_its_line)
{
	struct text t = { 0 };

	put(&t, HEAD ">\n\n<policy></x></group>", 1);
	ck_assert_int_lt(parse(&t), 0);
	ck_assert_msg(strstr(e.text, "line 3: ") &&
			      strstr(e.text, "tag mismatch"),
		      "%s", e.text);
	free(t.s);
}
END_TEST

/* Elements inside an unknown one are still counted before it is refused. */
START_TEST(depth_is_bounded_exactly)
{
	for (size_t depth = XML_DEPTH_MAX; depth <= XML_DEPTH_MAX + 1;
	     depth++) {
		struct text t = { 0 };

		put(&t, HEAD ">", 1);
		put(&t, "<x>", depth - 1);
		put(&t, "</x>", depth - 1);
		put(&t, "</group>", 1);
		ck_assert_int_lt(parse(&t), 0);
		ck_assert_int_eq(strstr(e.text, "too deep") != NULL,
				 depth > XML_DEPTH_MAX);
		free(t.s);
	}
}
END_TEST

START_TEST(attributes_are_bounded_exactly)
{
	struct text most = { 0 }, more = { 0 };

	many_attributes(&most, XML_ATTRIBUTES_MAX - 6);
	ck_assert_int_lt(parse(&most), 0);
	ck_assert_ptr_null(strstr(e.text, "more than"));
	many_attributes(&more, XML_ATTRIBUTES_MAX - 5);
	ck_assert_int_lt(parse(&more), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "more than"));
	free(most.s);
	free(more.s);
}
END_TEST

START_TEST(references_and_comments_do_not_split_a_value)
{
	static const char xml[] =
		"<?xml version='1.0'?><!-- c --><?pi?>"
		"<group xmlns='urn:cells:group:1' org='&#97;cm&#x65;' "
		"id='field' version='1' issued='2026-11-20T08:00:00Z' "
		"expires='2026-11-27T08:00:00Z'>\n<!-- c -->"
		"<policy id='p' min-version='&#x31;'/><?pi?></group>";
	AUTO(xml_freep) struct xml *x = NULL;
	const struct xml_node *n;

	ck_assert_msg(xml_parse("group", xml, strlen(xml), &x, &e) == 0, "%s",
		      e.text);
	n = xml_root(x);
	ck_assert_str_eq(xml_name(n), "group");
	ck_assert_str_eq(xml_attribute(n, "org"), "acme");
	ck_assert_ptr_null(xml_attribute(n, "xmlns"));
	n = xml_first(n);
	ck_assert_str_eq(xml_name(n), "policy");
	ck_assert_uint_eq(xml_line(n), 2);
	ck_assert_str_eq(xml_attribute(n, "min-version"), "1");
	ck_assert_str_eq(xml_text(n), "");
	ck_assert_ptr_null(xml_first(n));
	ck_assert_ptr_null(xml_next(n));
	ck_assert_ptr_eq(xml_root_of(n), xml_root(x));
}
END_TEST

START_TEST(comments_do_not_split_a_text)
{
	static const char xml[] =
		"<vp-config xmlns='urn:cells:vp-config:1' org='acme' id='a' "
		"version='1' issued='2026-11-20T08:00:00Z' "
		"expires='2026-11-27T08:00:00Z'>"
		"<label><!-- a -->b<!-- c -->d<?e?>f</label>"
		"<image id='stock' min-version='1'/></vp-config>";
	AUTO(xml_freep) struct xml *x = NULL;

	ck_assert_msg(xml_parse("vp-config", xml, strlen(xml), &x, &e) == 0,
		      "%s", e.text);
	ck_assert_str_eq(xml_text(xml_first(xml_root(x))), "bdf");
}
END_TEST

START_TEST(error_names_the_line_and_no_terminal_code)
{
	struct text t = { 0 };

	put(&t,
	    HEAD ">\n\n<policy id='a&#10;\xc2\x9b"
		 "31m' min-version='1'/></group>",
	    1);
	ck_assert_int_lt(parse(&t), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "line 3: Element 'policy'"));
	for (const char *p = e.text; *p; p++)
		ck_assert(*p >= ' ' && *p <= '~');
	free(t.s);
}
END_TEST

START_TEST(type_without_a_schema_is_an_error)
{
	AUTO(xml_freep) struct xml *x = NULL;

	ck_assert_int_eq(xml_parse("nothing", "<a/>", 4, &x, &e), -EINVAL);
	ck_assert_int_eq(xml_parse("../group", "<a/>", 4, &x, &e), -EINVAL);
}
END_TEST

#ifndef SANITIZED
/* How much address space the process has now. */
static rlim_t address_space(void)
{
	AUTO(auto_fclosep) FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
	return pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

START_TEST(document_that_memory_is_short_for_is_not_begun)
{
	struct text t = { 0 };
	struct rlimit limit;

	put(&t, HEAD "/>", 1);
	ck_assert_int_eq(parse(&t), 0);
	limit.rlim_cur = limit.rlim_max = address_space() + (16 << 20);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(parse(&t), 0);
	put(&t, " ", XML_SIZE_MAX - t.len);
	ck_assert_int_eq(parse(&t), -ENOMEM);
	free(t.s);
}
END_TEST
#endif

START_TEST(schemas_are_compiled_in)
{
	size_t len;
	const char *s = xsd_find("common.xsd", &len);

	ck_assert_ptr_nonnull(s);
	ck_assert_mem_eq(s, "<?xml", 5);
	ck_assert_mem_eq(s + len - 13, "</xs:schema>\n", 13);
	ck_assert_ptr_null(xsd_find("common", &len));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, hostile_input_is_a_cheap_error, 0,
			    ARRAY_SIZE(hostile));
	tcase_add_test(tc, too_large_has_a_reason_of_its_own);
	tcase_add_loop_test(tc, limits_come_before_the_schema, 0,
			    ARRAY_SIZE(early));
	tcase_add_test(tc, error_in_the_form_names_its_line);
	tcase_add_test(tc, depth_is_bounded_exactly);
	tcase_add_test(tc, attributes_are_bounded_exactly);
	tcase_add_test(tc, references_and_comments_do_not_split_a_value);
	tcase_add_test(tc, comments_do_not_split_a_text);
	tcase_add_test(tc, error_names_the_line_and_no_terminal_code);
	tcase_add_test(tc, type_without_a_schema_is_an_error);
#ifndef SANITIZED
	tcase_add_test(tc, document_that_memory_is_short_for_is_not_begun);
#endif
	tcase_add_test(tc, schemas_are_compiled_in);
}

UNIT_MAIN("xml", add)
