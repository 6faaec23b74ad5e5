/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/encoding.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

START_TEST(time_is_written_and_read_back)
{
	char s[ENCODING_TIME_SIZE];
	int64_t t;

	encoding_format_time(1795161600, s);
	ck_assert_str_eq(s, "2026-11-20T08:00:00Z");
	ck_assert_int_eq(encoding_parse_time(s, &t), 0);
	ck_assert_int_eq(t, 1795161600);
}
END_TEST

static const char *const bad_times[] = {
	"",
	"2026-11-20T08:00:00",
	"2026-11-20T08:00:00+00:00",
	"2026-02-30T08:00:00Z",
	"2026-11-20 08:00:00Z",
	"2026-11-20T08:00:00.5Z",
	"2026-11-20T24:00:00Z",
	"1969-12-31T23:59:59Z",
};

START_TEST(other_spelling_of_a_time_is_refused)
{
	int64_t t;

	ck_assert_int_eq(encoding_parse_time(bad_times[_i], &t), -EINVAL);
}
END_TEST

/* RFC 4648, section 10. */
static const struct {
	const char *plain, *b64;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

START_TEST(base64_follows_the_rfc)
{
	auto_free char *b64 = encoding_to_base64(vectors[_i].plain,
						 strlen(vectors[_i].plain));
	auto_free void *back = NULL;
	size_t len;

	ck_assert_str_eq(b64, vectors[_i].b64);
	ck_assert_int_eq(encoding_from_base64(b64, strlen(b64), &back, &len),
			 0);
	ck_assert_uint_eq(len, strlen(vectors[_i].plain));
	ck_assert_str_eq(back, vectors[_i].plain);
}
END_TEST

static const char *const bad_base64[] = {
	"Zg", "Zg=", "Zh==", "Zm 9v", "Zm9v\n", "Zm9v=", "====", "Z", "Zm9v!"
};

START_TEST(other_spelling_of_base64_is_refused)
{
	void *back;
	size_t len;

	ck_assert_int_eq(encoding_from_base64(bad_base64[_i],
					      strlen(bad_base64[_i]), &back,
					      &len),
			 -EINVAL);
}
END_TEST

static const struct {
	const char *id;
	bool good;
} ids[] = {
	{ "work", true },
	{ "a", true },
	{ "0.9-rc_1", true },
	{ "", false },
	{ ".hidden", false },
	{ "..", false },
	{ "a/b", false },
	{ "Work", false },
	{ "-x", false },
	{ "0123456789012345678901234567890123456789012345678901234567890123",
	  true },
	{ "01234567890123456789012345678901234567890123456789012345678901234",
	  false },
};

START_TEST(ids_are_told_from_other_text)
{
	ck_assert_int_eq(encoding_is_valid_id(ids[_i].id), ids[_i].good);
}
END_TEST

static const struct {
	uint64_t n;
	const char *s;
} sizes[] = {
	{ 0, "0 B" },
	{ 1023, "1023 B" },
	{ 1572864, "1.5 MiB" },
	{ UINT64_C(5) << 40, "5.0 TiB" },
};

START_TEST(sizes_are_for_people)
{
	char s[24];

	encoding_format_size(sizes[_i].n, s);
	ck_assert_str_eq(s, sizes[_i].s);
}
END_TEST

static const struct {
	int (*parse)(const char *s, uint64_t *ret);
	const char *s;
	int64_t n; /* -1: refused */
} units[] = {
	{ encoding_parse_size, "65536", 65536 },
	{ encoding_parse_size, "512K", 512 * 1024 },
	{ encoding_parse_size, "2T", INT64_C(2) << 40 },
	{ encoding_parse_size, "0", 0 },
	{ encoding_parse_size, "", -1 },
	{ encoding_parse_size, "M", -1 },
	{ encoding_parse_size, "1k", -1 },
	{ encoding_parse_size, "1MB", -1 },
	{ encoding_parse_size, "-1", -1 },
	{ encoding_parse_size, "9223372036854775807K", -1 },
	{ encoding_parse_duration, "45s", 45 },
	{ encoding_parse_duration, "90m", 5400 },
	{ encoding_parse_duration, "30d", 30 * 86400 },
	{ encoding_parse_duration, "1w", -1 },
};

START_TEST(number_may_have_a_unit)
{
	uint64_t n = 7;
	int r = units[_i].parse(units[_i].s, &n);

	ck_assert_int_eq(r, units[_i].n < 0 ? -EINVAL : 0);
	ck_assert_uint_eq(n, units[_i].n < 0 ? 7 : (uint64_t)units[_i].n);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, time_is_written_and_read_back);
	tcase_add_loop_test(tc, other_spelling_of_a_time_is_refused, 0,
			    ARRAY_SIZE(bad_times));
	tcase_add_loop_test(tc, base64_follows_the_rfc, 0, ARRAY_SIZE(vectors));
	tcase_add_loop_test(tc, other_spelling_of_base64_is_refused, 0,
			    ARRAY_SIZE(bad_base64));
	tcase_add_loop_test(tc, ids_are_told_from_other_text, 0,
			    ARRAY_SIZE(ids));
	tcase_add_loop_test(tc, sizes_are_for_people, 0, ARRAY_SIZE(sizes));
	tcase_add_loop_test(tc, number_may_have_a_unit, 0, ARRAY_SIZE(units));
}

UNIT_MAIN("encoding", add)
