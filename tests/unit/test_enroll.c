/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enroll.h"

#include "agent/identity.h"
#include "lib/auto.h"
#include "lib/crypto/x509.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "tests/unit/unit.h"

#include <string.h>

#define NOW INT64_C(1795161600)
#define DAY INT64_C(86400)
#define EPOCH "00112233445566778899aabbccddeeff"

static struct err e;
static const char *folder;
static struct identity *id;
static struct key *ca_key;
static char *ca;
static struct enroll_request rq;

static char *issue(const struct key *k, int64_t from, int64_t to)
{
	const struct x509_spec spec = {
		.usage = X509_CLIENT,
		.common_name = id->device,
		.not_before = from,
		.not_after = to,
	};
	char *pem;

	ck_assert_msg(x509_issue(&spec, k, ca_key, ca, &pem, &e) == 0, "%s",
		      e.text);
	return pem;
}

static void set_up(void)
{
	const struct x509_spec spec = {
		.usage = X509_CA,
		.common_name = "CA",
		.not_before = NOW - DAY,
		.not_after = NOW + 1000 * DAY,
	};

	folder = unit_folder();
	ck_assert_msg(identity_open(folder, &id, &e) == 0, "%s", e.text);
	ck_assert_int_eq(key_generate(&ca_key, &e), 0);
	ck_assert_int_eq(x509_issue(&spec, ca_key, ca_key, NULL, &ca, &e), 0);
	rq = (struct enroll_request){ .host = "server.example", .port = 8443 };
	ck_assert_int_eq(x509_digest(ca, rq.ca, &e), 0);
}

static void tear_down(void)
{
	identity_free(id);
	key_free(ca_key);
	free(ca);
}

/* A good answer of the server; each test spoils one member. */
static json_t *answer(void)
{
	auto_free char *cert = issue(id->key, NOW - 60, NOW + 90 * DAY);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:[], s:i}", "device",
			 id->device, "epoch", EPOCH, "identity_cert", cert,
			 "receipt_cert", cert, "ca", ca, "roots", "device_port",
			 8444);
}

static int parse(json_t *j, struct identity_enrollment *ret)
{
	auto_free char *text = json_text(j);

	return enroll_parse_answer(text, strlen(text), &rq, id, NOW, ret, &e);
}

START_TEST(good_answer_is_kept_over_a_restart)
{
	AUTO(identity_freep) struct identity *again = NULL;
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();

	ck_assert_msg(parse(j, &n) == 0, "%s", e.text);
	ck_assert_str_eq(n.host, "server.example");
	ck_assert_uint_eq(n.device_port, 8444);
	ck_assert_int_eq(identity_stage(id, &n, &e), 0);
	ck_assert_int_eq(identity_commit(id, &e), 0);
	ck_assert_msg(identity_open(folder, &again, &e) == 0, "%s", e.text);
	ck_assert(again->is_enrolled && !again->has_next);
	ck_assert_str_eq(again->now.epoch, EPOCH);
	ck_assert_str_eq(again->now.cert, n.cert);
	ck_assert_str_eq(again->device, id->device);
}
END_TEST

START_TEST(staged_answer_waits_over_a_restart)
{
	AUTO(identity_freep) struct identity *again = NULL;
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();

	ck_assert_int_eq(parse(j, &n), 0);
	ck_assert_int_eq(identity_stage(id, &n, &e), 0);
	ck_assert_int_eq(identity_open(folder, &again, &e), 0);
	ck_assert(!again->is_enrolled && again->has_next);
	ck_assert_str_eq(again->next.epoch, EPOCH);
	identity_drop_staged(again);
	identity_free(steal(again));
	ck_assert_int_eq(identity_open(folder, &again, &e), 0);
	ck_assert(!again->is_enrolled && !again->has_next);
}
END_TEST

static const struct {
	const char *member, *value;
	int number; /* if there is no value */
} spoiled[] = {
	{ "device", "dev-000000000000", 0 },
	{ "epoch", "0011", 0 },
	{ "epoch", "ZZ112233445566778899aabbccddeeff", 0 },
	{ "ca", "none", 0 },
	{ "identity_cert", "", 0 },
	{ "device_port", NULL, 0 },
	{ "device_port", NULL, 65536 },
	{ "roots", NULL, 1 },
};

START_TEST(spoiled_answer_is_refused)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();

	json_object_set_new(j, spoiled[_i].member,
			    spoiled[_i].value
				    ? json_string(spoiled[_i].value)
				    : json_integer(spoiled[_i].number));
	ck_assert_int_lt(parse(j, &n), 0);
}
END_TEST

static const char *const members[] = { "device",       "epoch", "identity_cert",
				       "receipt_cert", "ca",	"roots",
				       "device_port" };

START_TEST(answer_without_a_member_is_refused)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();

	json_object_del(j, members[_i]);
	ck_assert_int_eq(parse(j, &n), -EINVAL);
}
END_TEST

START_TEST(another_ca_is_refused)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();

	rq.ca[0] ^= 1;
	ck_assert_int_eq(parse(j, &n), -EKEYREJECTED);
}
END_TEST

START_TEST(certificate_of_another_key_is_refused)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	AUTO(key_freep) struct key *other = NULL;
	auto_json json_t *j = answer();
	auto_free char *cert = NULL;

	ck_assert_int_eq(key_generate(&other, &e), 0);
	cert = issue(other, NOW - 60, NOW + 90 * DAY);
	json_object_set_new(j, "identity_cert", json_string(cert));
	ck_assert_int_eq(parse(j, &n), -EKEYREJECTED);
}
END_TEST

START_TEST(lapsed_certificate_is_refused)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();
	auto_free char *cert = issue(id->key, NOW - 2 * DAY, NOW - DAY);

	json_object_set_new(j, "identity_cert", json_string(cert));
	ck_assert_int_lt(parse(j, &n), 0);
}
END_TEST

START_TEST(renewal_is_due_at_two_thirds)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();
	auto_free char *cert = issue(id->key, NOW, NOW + 90 * DAY);
	int64_t due;

	json_object_set_new(j, "identity_cert", json_string(cert));
	ck_assert_int_eq(parse(j, &n), 0);
	ck_assert_int_eq(identity_stage(id, &n, &e), 0);
	ck_assert_int_eq(identity_commit(id, &e), 0);
	ck_assert_int_eq(enroll_get_renewal_time(id, &due, &e), 0);
	ck_assert_int_ge(due, NOW + 60 * DAY - 120);
	ck_assert_int_le(due, NOW + 60 * DAY + 120);
}
END_TEST

static const struct {
	const char *text;
	bool good;
} requests[] = {
	{ "{\"host\":\"h\",\"port\":8443,\"ca\":\"sha256:"
	  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
	  "\"admit\":\"aa\",\"bind\":\"bb\",\"receipt_csr\":\"c\"}",
	  true },
	{ "{\"host\":\"h\",\"port\":0,\"ca\":\"sha256:"
	  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
	  "\"admit\":\"aa\",\"bind\":\"bb\",\"receipt_csr\":\"c\"}",
	  false },
	{ "{\"host\":\"h\",\"port\":1,\"ca\":\"x\",\"admit\":\"aa\","
	  "\"bind\":\"bb\",\"receipt_csr\":\"c\"}",
	  false },
	{ "{\"host\":\"h\"}", false },
	{ "[]", false },
	{ "", false },
};

START_TEST(request_of_policyd_is_taken_apart)
{
	AUTO(enroll_request_fini) struct enroll_request got = { 0 };
	int r = enroll_parse_request(requests[_i].text,
				     strlen(requests[_i].text), &got, &e);

	ck_assert_int_eq(r == 0, requests[_i].good);
}
END_TEST

/* Fails each system call in turn, until a run in which nothing failed. */
START_TEST(failed_commit_leaves_one_whole_enrolment)
{
	AUTO(identity_enrollment_fini) struct identity_enrollment n = { 0 };
	auto_json json_t *j = answer();

	ck_assert_int_eq(parse(j, &n), 0);
	for (unsigned int i = 1;; i++) {
		AUTO(identity_freep) struct identity *again = NULL;
		int r;

		snprintf(n.epoch, sizeof(n.epoch), "%032x", i);
		ck_assert_int_eq(identity_stage(id, &n, &e), 0);
		fault_at(i);
		r = identity_commit(id, &e);
		if (!fault_fired())
			break;
		fault_at(0);
		ck_assert_msg(identity_open(folder, &again, &e) == 0, "%s",
			      e.text);
		ck_assert(again->is_enrolled || again->has_next);
		if (r == 0)
			ck_assert_str_eq(again->now.epoch, n.epoch);
	}
	fault_at(0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, good_answer_is_kept_over_a_restart);
	tcase_add_test(tc, staged_answer_waits_over_a_restart);
	tcase_add_loop_test(tc, spoiled_answer_is_refused, 0,
			    ARRAY_SIZE(spoiled));
	tcase_add_loop_test(tc, answer_without_a_member_is_refused, 0,
			    ARRAY_SIZE(members));
	tcase_add_test(tc, another_ca_is_refused);
	tcase_add_test(tc, certificate_of_another_key_is_refused);
	tcase_add_test(tc, lapsed_certificate_is_refused);
	tcase_add_test(tc, renewal_is_due_at_two_thirds);
	tcase_add_loop_test(tc, request_of_policyd_is_taken_apart, 0,
			    ARRAY_SIZE(requests));
	tcase_add_test(tc, failed_commit_leaves_one_whole_enrolment);
}

UNIT_MAIN("enroll", add)
