/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/audit.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

#define DEVICE "dev-0123456789ab"
#define EPOCH "00112233445566778899aabbccddeeff"
#define TIME 1795161600 /* 2026-11-20T08:00:00Z */
#define RECORDS 5

static struct err e;
static struct key *key;
static char *record[RECORDS];
static struct audit_chain end; /* behind all of them */

static char *append(struct audit_chain *c, enum audit_event ev, const char *vp,
		    const char *cls, const char *detail)
{
	auto_json json_t *j = detail ? json_from_text(detail) : NULL;
	char *s;

	ck_assert_msg(audit_append(c, ev, TIME, vp, cls, j, &s, &e) == 0, "%s",
		      e.text);
	return s;
}

static void setup(void)
{
	struct audit_chain c = { 0 };

	record[0] = append(&c, AUDIT_ENROLLED, NULL, NULL, NULL);
	record[1] = append(&c, AUDIT_OPEN, "work", "camera",
			   "{\"pid\":7,\"comm\":\"caf\u00e9 \\\"x\\\"\"}");
	record[2] = append(&c, AUDIT_DENY, "personal", "camera-front", "{}");
	record[3] = append(&c, AUDIT_LOST, NULL, NULL, "{\"count\":3}");
	record[4] =
		append(&c, AUDIT_WIPE, "work", NULL, "{\"a\":[1,2.5,null]}");
	end = c;
	ck_assert_int_eq(key_generate(&key, &e), 0);
}

static void teardown(void)
{
	for (unsigned int i = 0; i < RECORDS; i++)
		free(record[i]);
	key_free(key);
}

START_TEST(record_is_as_the_format_says)
{
	ck_assert_str_eq(
		record[0],
		"{\"detail\":{},\"event\":\"enrolled\",\"prev\":\"sha256:"
		"00000000000000000000000000000000000000000000000000000000000000"
		"00"
		"\",\"seq\":1,\"time\":\"2026-11-20T08:00:00Z\"}");
	ck_assert_ptr_nonnull(strstr(record[1], "{\"class\":\"camera\","));
	ck_assert_ptr_nonnull(strstr(record[1], ",\"vp\":\"work\"}"));
}
END_TEST

START_TEST(chain_is_followed)
{
	struct audit_chain c = { 0 };

	for (unsigned int i = 0; i < RECORDS; i++)
		ck_assert_msg(audit_verify_record(&c, record[i],
						  strlen(record[i]), &e) == 0,
			      "%s", e.text);
	ck_assert_uint_eq(c.seq, RECORDS);
	ck_assert_mem_eq(c.head, end.head, HASH_SIZE);
}
END_TEST

START_TEST(gap_swap_and_repeat_are_noticed)
{
	struct audit_chain c = { 0 }, start = { 0 };

	ck_assert_int_eq(
		audit_verify_record(&c, record[1], strlen(record[1]), &e),
		-EBADMSG);
	ck_assert_mem_eq(&c, &start, sizeof(c));
	ck_assert_int_eq(
		audit_verify_record(&c, record[0], strlen(record[0]), &e), 0);
	ck_assert_int_eq(
		audit_verify_record(&c, record[0], strlen(record[0]), &e),
		-EBADMSG);
	ck_assert_int_eq(
		audit_verify_record(&c, record[2], strlen(record[2]), &e),
		-EBADMSG);
	ck_assert_int_eq(
		audit_verify_record(&c, record[1], strlen(record[1]), &e), 0);
}
END_TEST

/* Whatever byte of a record changes, it or the one behind it does not fit. */
START_TEST(each_changed_byte_is_noticed)
{
	struct audit_chain c = { 0 };
	size_t len = strlen(record[1]);

	ck_assert_int_eq(
		audit_verify_record(&c, record[0], strlen(record[0]), &e), 0);
	for (size_t i = 0; i < len; i++) {
		struct audit_chain copy = c;
		auto_free char *changed = strdup(record[1]);
		int r;

		changed[i] ^= 1;
		r = audit_verify_record(&copy, changed, len, &e);
		if (r == 0)
			r = audit_verify_record(&copy, record[2],
						strlen(record[2]), &e);
		ck_assert_msg(r == -EBADMSG, "byte %zu", i);
	}
}
END_TEST

#define ZERO                                                                   \
	"sha256:"                                                              \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define FIRST(event, rest)                                                     \
	"{\"detail\":{},\"event\":\"" event "\",\"prev\":\"" ZERO "\"" rest "}"
#define REST ",\"seq\":1,\"time\":\"2026-11-20T08:00:00Z\""

static const char *const misformed[] = {
	"",
	"{}",
	"[]",
	FIRST("nothing", REST),
	FIRST("mode", REST " "),
	FIRST("mode", REST) " ",
	FIRST("mode", REST ",\"vp\":\"Work\""),
	FIRST("mode", REST ",\"vp\":null"),
	FIRST("mode", REST ",\"x\":1"),
	FIRST("mode", ",\"seq\":1,\"time\":\"yesterday\""),
	FIRST("mode", ",\"seq\":\"1\",\"time\":\"2026-11-20T08:00:00Z\""),
	FIRST("mode", ",\"seq\":0,\"time\":\"2026-11-20T08:00:00Z\""),
	FIRST("mode", ",\"seq\":-1,\"time\":\"2026-11-20T08:00:00Z\""),
	FIRST("mode", ",\"time\":\"2026-11-20T08:00:00Z\",\"seq\":1"),
	"{\"class\":\"toaster\",\"detail\":{},\"event\":\"mode\",\"prev\":"
	"\"" ZERO "\"" REST "}",
};

START_TEST(misformed_record_is_refused)
{
	struct audit_chain c = { 0 };

	ck_assert_int_eq(audit_verify_record(&c, misformed[_i],
					     strlen(misformed[_i]), &e),
			 -EBADMSG);
	ck_assert_uint_eq(c.seq, 0);
}
END_TEST

START_TEST(record_is_bounded)
{
	struct audit_chain c = { 0 };
	char big[AUDIT_RECORD_MAX + 1];
	auto_json json_t *j = NULL;
	char *s;

	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	j = json_pack("{ss}", "x", big);
	ck_assert_int_eq(
		audit_append(&c, AUDIT_MODE, TIME, NULL, NULL, j, &s, &e),
		-EMSGSIZE);
	ck_assert_uint_eq(c.seq, 0);
}
END_TEST

START_TEST(record_that_is_too_long_is_not_followed)
{
	static char filler[AUDIT_RECORD_MAX];
	struct audit_chain c = { 0 };
	char prev[ENCODING_DIGEST_SIZE];

	encoding_format_digest(c.head, prev);
	memset(filler, 'x', sizeof(filler) - 1);
	for (unsigned int i = 0; i < 2; i++) {
		const char *long_record = unit_text(
			"{\"detail\":{\"x\":\"%s\"},\"event\":\"mode\","
			"\"prev\":\"%s\",\"seq\":1,"
			"\"time\":\"2026-11-20T08:00:00Z\"}",
			i ? filler : "x", prev);
		struct audit_chain copy = c;

		ck_assert_int_eq(audit_verify_record(&copy, long_record,
						     strlen(long_record), &e),
				 i ? -EBADMSG : 0);
	}
}
END_TEST

/* The batch of the records from..to with a head over `c`. */
static json_t *batch(unsigned int from, unsigned int to,
		     const struct audit_chain *c)
{
	json_t *j = json_pack("{s[]}", "records"), *list;
	auto_free char *head = NULL;

	list = json_object_get(j, "records");
	for (unsigned int i = from; i < to; i++)
		json_array_append_new(list, json_string(record[i]));
	ck_assert_int_eq(
		audit_sign_head(c, DEVICE, EPOCH, TIME, key, &head, &e), 0);
	json_object_set_new(j, "head", json_from_text(head));
	return j;
}

static int check(json_t *j, struct audit_chain *c)
{
	return audit_check_batch(j, DEVICE, EPOCH, key, c, &e);
}

START_TEST(batches_are_checked_one_after_the_other)
{
	struct audit_chain c = { 0 }, middle = { 0 };
	auto_json json_t *first = NULL, *second = NULL, *all = NULL;

	for (unsigned int i = 0; i < 2; i++)
		audit_verify_record(&middle, record[i], strlen(record[i]), &e);
	first = batch(0, 2, &middle);
	second = batch(2, RECORDS, &end);
	all = batch(0, RECORDS, &end);
	ck_assert_int_eq(check(second, &c), -EBADMSG);
	ck_assert_uint_eq(c.seq, 0);
	ck_assert_msg(check(first, &c) == 0, "%s", e.text);
	ck_assert_uint_eq(c.seq, 2);
	ck_assert_msg(check(second, &c) == 0, "%s", e.text);
	ck_assert_mem_eq(c.head, end.head, HASH_SIZE);
	memset(&c, 0, sizeof(c));
	ck_assert_msg(check(all, &c) == 0, "%s", e.text);
}
END_TEST

START_TEST(tampering_with_a_batch_is_noticed)
{
	const struct audit_chain start = { 0 };
	struct audit_chain c = start, wrong = end;
	AUTO(key_freep) struct key *other = NULL;
	auto_json json_t *shorter = batch(0, RECORDS - 1, &end);
	auto_json json_t *good = batch(0, RECORDS, &end), *head = NULL;

	ck_assert_int_eq(check(shorter, &c), -EBADMSG);
	wrong.head[0] ^= 1;
	head = batch(0, RECORDS, &wrong);
	ck_assert_int_eq(check(head, &c), -EBADMSG);
	json_decref(head);
	wrong = end;
	wrong.seq++;
	head = batch(0, RECORDS, &wrong);
	ck_assert_int_eq(check(head, &c), -EBADMSG);
	ck_assert_int_eq(audit_check_batch(good, "dev-x", EPOCH, key, &c, &e),
			 -EBADMSG);
	ck_assert_int_eq(audit_check_batch(good, DEVICE, "x", key, &c, &e),
			 -EBADMSG);
	key_generate(&other, &e);
	ck_assert_int_lt(audit_check_batch(good, DEVICE, EPOCH, other, &c, &e),
			 0);
	ck_assert_str_eq(err_code(&e), "err.unknown-key");
	json_array_set_new(json_object_get(good, "records"), 0,
			   json_integer(1));
	ck_assert_int_eq(check(good, &c), -EBADMSG);
	ck_assert_mem_eq(&c, &start, sizeof(c));
}
END_TEST

/* Signed by the right key, but not as a head. */
START_TEST(other_signed_statement_is_no_head)
{
	auto_json json_t *j = batch(0, RECORDS, &end);
	auto_free char *text = NULL;
	struct audit_chain c = { 0 };

	ck_assert_int_eq(envelope_make(ENVELOPE_TYPE_JSON("receipt"), "{}", 2,
				       key, &text, &e),
			 0);
	json_object_set_new(j, "head", json_from_text(text));
	ck_assert_int_lt(check(j, &c), 0);
	ck_assert_str_eq(err_code(&e), "err.envelope");
	free(text);
	ck_assert_int_eq(
		envelope_make(AUDIT_HEAD_TYPE, "{}", 2, key, &text, &e), 0);
	json_object_set_new(j, "head", json_from_text(text));
	ck_assert_int_eq(check(j, &c), -EBADMSG);
}
END_TEST

START_TEST(batch_is_bounded)
{
	auto_json json_t *j = batch(0, 0, &end), *list = json_array();
	struct audit_chain c = { 0 };

	for (unsigned int i = 0; i <= AUDIT_BATCH_MAX; i++)
		json_array_append_new(list, json_string(record[0]));
	json_object_set(j, "records", list);
	ck_assert_int_eq(check(j, &c), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(e.text, "1001"));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, record_is_as_the_format_says);
	tcase_add_test(tc, chain_is_followed);
	tcase_add_test(tc, gap_swap_and_repeat_are_noticed);
	tcase_add_test(tc, each_changed_byte_is_noticed);
	tcase_add_loop_test(tc, misformed_record_is_refused, 0,
			    ARRAY_SIZE(misformed));
	tcase_add_test(tc, record_is_bounded);
	tcase_add_test(tc, record_that_is_too_long_is_not_followed);
	tcase_add_test(tc, batches_are_checked_one_after_the_other);
	tcase_add_test(tc, tampering_with_a_batch_is_noticed);
	tcase_add_test(tc, other_signed_statement_is_no_head);
	tcase_add_test(tc, batch_is_bounded);
}

UNIT_MAIN("audit", add)
