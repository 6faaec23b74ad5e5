/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/access_matrix.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <locale.h>
#include <string.h>

static const char answer[] =
	"{\"device\":\"dev-0123456789ab\",\"at\":\"2026-11-20T09:00:00Z\","
	"\"foreground\":\"work\",\"enforcement\":\"open\",\"compliant\":true,"
	"\"receipt\":{\"epoch\":\"e\",\"seq\":12,\"time\":\"t\"},"
	"\"classes\":[\"camera\",\"microphone\",\"gps\",\"led\",\"nfc\"],"
	"\"vps\":["
	"{\"vp\":\"work\",\"cells\":["
	"{\"class\":\"camera\",\"mode\":\"shared\",\"verdict\":\"allowed\"},"
	"{\"class\":\"microphone\",\"mode\":\"exclusive\",\"verdict\":"
	"\"allowed\"},"
	"{\"class\":\"gps\",\"mode\":\"none+block\",\"verdict\":\"denied\"},"
	"{\"class\":\"led\",\"mode\":\"exclusive\",\"verdict\":\"allowed\"},"
	"{\"class\":\"nfc\",\"mode\":\"shared\",\"verdict\":\"absent\"}]},"
	"{\"vp\":\"personal\",\"cells\":["
	"{\"class\":\"camera\",\"mode\":\"shared\",\"verdict\":\"allowed\"},"
	"{\"class\":\"microphone\",\"mode\":\"shared\",\"verdict\":\"denied\"},"
	"{\"class\":\"gps\",\"mode\":\"shared\",\"verdict\":\"denied\"},"
	"{\"class\":\"led\",\"mode\":\"exclusive\",\"verdict\":\"virtual\"},"
	"{\"class\":\"nfc\",\"mode\":\"none\",\"verdict\":\"absent\"}]}]}";

static char *written(bool color, bool all)
{
	auto_json json_t *j = NULL;
	char *got = NULL;
	struct err e;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	ck_assert_int_eq(json_parse(answer, strlen(answer), "test", &j, &e), 0);
	access_matrix_write(f, j, color, all);
	fclose(f);
	return got;
}

START_TEST(a_line_a_class_and_a_column_a_vp)
{
	auto_free char *got = written(false, false);

	ck_assert_str_eq(
		got,
		"device dev-0123456789ab at 2026-11-20T09:00:00Z, enforcement "
		"open, compliant, by receipt 12\n\n"
		"CLASS        work ▸ front   personal\n"
		"camera       shared *       shared *\n"
		"microphone   exclusive *    shared\n"
		"gps          none+block     shared\n"
		"led          exclusive *    exclusive ~\n"
		"\n*  may use it now      ~  acts on its virtual state      -  "
		"not on this device\n"
		"not on this device: nfc\n");
}
END_TEST

START_TEST(all_shows_what_the_device_lacks)
{
	auto_free char *got = written(false, true);

	ck_assert_ptr_nonnull(strstr(got, "nfc          -              -\n"));
	ck_assert_ptr_null(strstr(got, "not on this device: "));
}
END_TEST

START_TEST(color_only_where_it_is_asked_for)
{
	auto_free char *plain = written(false, false);
	auto_free char *color = written(true, false);

	ck_assert_ptr_null(strchr(plain, '\033'));
	ck_assert_ptr_nonnull(strchr(color, '\033'));
}
END_TEST

/* A server cannot make a denial look like a permission. */
START_TEST(hostile_words_stay_words)
{
	static const char hostile[] =
		"{\"device\":\"d\\u001b[2J\",\"vps\":[{\"vp\":\"w\\u001b[1A\","
		"\"cells\":[{\"class\":\"gps\",\"mode\":\"none\\u001b[1K\","
		"\"verdict\":\"allowed\"}]}],\"classes\":[\"gps\",7]}";
	auto_json json_t *j = NULL;
	auto_free char *got = NULL;
	struct err e;
	size_t len;
	FILE *f = open_memstream(&got, &len);

	ck_assert_int_eq(json_parse(hostile, strlen(hostile), "test", &j, &e),
			 0);
	access_matrix_write(f, j, false, true);
	fclose(f);
	ck_assert_ptr_null(strchr(got, '\033'));
	ck_assert_ptr_nonnull(strstr(got, "\\u{1b}"));
}
END_TEST

static void setup(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_line_a_class_and_a_column_a_vp);
	tcase_add_test(tc, all_shows_what_the_device_lacks);
	tcase_add_test(tc, color_only_where_it_is_asked_for);
	tcase_add_test(tc, hostile_words_stay_words);
}

UNIT_MAIN("access_matrix", add)
