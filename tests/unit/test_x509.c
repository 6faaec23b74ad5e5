/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/x509.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#define DAY 86400

static struct err e;
static struct key *ca_key, *key;
static char *ca;
static int64_t now;

static char *issue(const struct x509_spec *spec)
{
	char *pem;

	ck_assert_msg(x509_issue(spec, key, ca_key, ca, &pem, &e) == 0, "%s",
		      e.text);
	return pem;
}

static void setup(void)
{
	struct x509_spec spec = { .usage = X509_CA, .common_name = "acme CA" };

	now = time(NULL);
	spec.not_before = now - DAY;
	spec.not_after = now + 90 * DAY;
	ck_assert_int_eq(key_generate(&ca_key, &e), 0);
	ck_assert_int_eq(key_generate(&key, &e), 0);
	ck_assert_msg(x509_issue(&spec, ca_key, ca_key, NULL, &ca, &e) == 0,
		      "%s", e.text);
}

static void teardown(void)
{
	key_free(ca_key);
	key_free(key);
	free(ca);
}

/* Runs a shell command in a folder that has ca.pem and crt.pem. */
static int openssl(const char *pem, const char *command)
{
	const char *dir = unit_folder();

	ck_assert_int_eq(io_replace_file(unit_text("%s/ca.pem", dir), ca,
					 strlen(ca), 0600, &e),
			 0);
	ck_assert_int_eq(io_replace_file(unit_text("%s/crt.pem", dir), pem,
					 strlen(pem), 0600, &e),
			 0);
	return system(unit_text("cd %s && %s >/dev/null 2>&1", dir, command));
}

static const char *const names[] = { "localhost", "a.io", "10.0.0.1", "::1",
				     NULL };

START_TEST(openssl_accepts_a_server)
{
	static const char *const tests[] = {
		"openssl verify -x509_strict -CAfile ca.pem "
		"-purpose sslserver crt.pem",
		"openssl verify -CAfile ca.pem -verify_hostname localhost "
		"crt.pem",
		"openssl verify -CAfile ca.pem -verify_hostname a.io crt.pem",
		"openssl verify -CAfile ca.pem -verify_ip 10.0.0.1 crt.pem",
		"openssl verify -CAfile ca.pem -verify_ip ::1 crt.pem",
	};
	struct x509_spec spec = { X509_SERVER, "localhost", names, now - DAY,
				  now + DAY };
	auto_free char *pem = issue(&spec);

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		ck_assert_msg(openssl(pem, tests[i]) == 0, "%s", tests[i]);
	ck_assert_int_ne(openssl(pem, "openssl verify -CAfile ca.pem "
				      "-purpose sslclient crt.pem"),
			 0);
	ck_assert_int_ne(openssl(pem, "openssl verify -CAfile ca.pem "
				      "-verify_ip 10.0.0.2 crt.pem"),
			 0);
}
END_TEST

START_TEST(openssl_accepts_a_client)
{
	struct x509_spec spec = { X509_CLIENT, "dev-0123456789ab", NULL,
				  now - DAY, now + DAY };
	auto_free char *pem = issue(&spec);

	ck_assert_int_eq(openssl(pem, "openssl verify -x509_strict "
				      "-CAfile ca.pem -purpose sslclient "
				      "crt.pem"),
			 0);
	ck_assert_int_eq(openssl(pem, "openssl x509 -in crt.pem -noout "
				      "-subject | grep -q "
				      "'CN = dev-0123456789ab$'"),
			 0);
	ck_assert_int_ne(openssl(pem, "openssl verify -CAfile ca.pem "
				      "-purpose sslserver crt.pem"),
			 0);
}
END_TEST

/* basicConstraints: pathlen 0. */
START_TEST(leaf_cannot_issue)
{
	struct x509_spec spec = { X509_CLIENT, "leaf", NULL, now - DAY,
				  now + DAY };
	auto_free char *leaf = issue(&spec), *below = NULL, *chain = NULL;

	ck_assert_int_eq(x509_issue(&spec, key, key, leaf, &below, &e), 0);
	ck_assert_int_eq(x509_check(below, ca, now, &e), -EKEYREJECTED);
	ck_assert_int_ge(asprintf(&chain, "%s%s", below, leaf), 0);
	ck_assert_int_eq(x509_check(chain, ca, now, &e), -EKEYREJECTED);
}
END_TEST

START_TEST(key_issues_for_its_own_certificate_only)
{
	struct x509_spec spec = { X509_CLIENT, "leaf", NULL, now - DAY,
				  now + DAY };
	char *pem;

	ck_assert_int_eq(x509_issue(&spec, key, key, ca, &pem, &e), -EINVAL);
}
END_TEST

START_TEST(issuer_made_by_openssl_is_copied)
{
	const char *dir = unit_folder();
	AUTO(key_freep) struct key *other = NULL;
	auto_free char *pem = NULL, *other_ca = NULL, *leaf = NULL;
	struct x509_spec spec = { X509_SERVER, "localhost", names, now - DAY,
				  now + DAY };
	size_t len;

	ck_assert_int_eq(
		system(unit_text(
			"cd %s && openssl req -x509 -newkey ec -pkeyopt "
			"ec_paramgen_curve:P-256 -nodes -keyout key.pem "
			"-out ca.pem -subj '/C=DE/O=Acme, Ltd/CN=\u00dcber' "
			"-utf8 -days 5 2>/dev/null",
			dir)),
		0);
	ck_assert_int_eq(io_read_file(unit_text("%s/ca.pem", dir), 8192,
				      &other_ca, &len, &e),
			 0);
	ck_assert_int_eq(io_read_file(unit_text("%s/key.pem", dir), 8192, &pem,
				      &len, &e),
			 0);
	ck_assert_int_eq(key_from_pem(pem, &other, &e), 0);
	ck_assert_msg(x509_issue(&spec, key, other, other_ca, &leaf, &e) == 0,
		      "%s", e.text);
	ck_assert_int_eq(io_replace_file(unit_text("%s/crt.pem", dir), leaf,
					 strlen(leaf), 0600, &e),
			 0);
	ck_assert_int_eq(
		system(unit_text("cd %s && openssl verify -CAfile ca.pem "
				 "crt.pem >/dev/null",
				 dir)),
		0);
	/* The CA was made after `now`, on a busy machine seconds after. */
	ck_assert_msg(x509_check(leaf, other_ca, time(NULL), &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(x509_issue(&spec, key, ca_key, other_ca, &pem, &e),
			 -EINVAL);
}
END_TEST

START_TEST(certificate_is_checked_against_the_given_time)
{
	struct x509_spec spec = { X509_CLIENT, "leaf", NULL, now, now + DAY };
	auto_free char *pem = issue(&spec);

	ck_assert_msg(x509_check(pem, ca, now, &e) == 0, "%s", e.text);
	ck_assert_int_eq(x509_check(pem, ca, now - 1, &e), -ETIME);
	ck_assert_int_eq(x509_check(pem, ca, now + DAY + 1, &e), -ETIME);
	spec.not_before = now - 400 * DAY;
	spec.not_after = now + 400 * DAY;
	free(pem);
	pem = issue(&spec);
	/* Here it is the CA whose time is over. */
	ck_assert_int_eq(x509_check(pem, ca, now + 200 * DAY, &e), -ETIME);
}
END_TEST

START_TEST(certificate_of_another_ca_is_refused)
{
	struct x509_spec spec = { X509_CA, "acme CA", NULL, now - DAY,
				  now + DAY };
	auto_free char *other = NULL, *leaf = NULL;

	ck_assert_int_eq(x509_issue(&spec, key, key, NULL, &other, &e), 0);
	spec.usage = X509_CLIENT;
	leaf = issue(&spec);
	ck_assert_int_eq(x509_check(leaf, other, now, &e), -EKEYREJECTED);
	ck_assert_int_eq(x509_check(other, ca, now, &e), -EKEYREJECTED);
}
END_TEST

START_TEST(certificate_tells_key_digest_and_validity)
{
	struct x509_spec spec = { X509_CLIENT, "leaf", NULL, now, now + DAY };
	auto_free char *pem = issue(&spec);
	AUTO(key_freep) struct key *k = NULL;
	int64_t from, to;
	uint8_t digest[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];

	ck_assert_int_eq(x509_key(pem, &k, &e), 0);
	ck_assert_str_eq(key_id(k), key_id(key));
	ck_assert_int_eq(x509_validity(pem, &from, &to, &e), 0);
	ck_assert_int_eq(from, now);
	ck_assert_int_eq(to, now + DAY);
	ck_assert_int_eq(x509_digest(pem, digest, &e), 0);
	encoding_to_hex(digest, sizeof(digest), hex);
	ck_assert_int_eq(
		openssl(pem, unit_text("openssl x509 -in crt.pem -outform "
				       "DER | sha256sum | grep -q ^%s",
				       hex)),
		0);
}
END_TEST

START_TEST(serials_differ)
{
	struct x509_spec spec = { X509_CLIENT, "leaf", NULL, now, now + DAY };
	auto_free char *a = issue(&spec), *b = issue(&spec);
	uint8_t x[HASH_SIZE], y[HASH_SIZE];

	ck_assert_int_eq(x509_digest(a, x, &e), 0);
	ck_assert_int_eq(x509_digest(b, y, &e), 0);
	ck_assert_mem_ne(x, y, HASH_SIZE);
}
END_TEST

START_TEST(request_gives_its_key)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *pem = NULL;

	ck_assert_msg(x509_request(key, "dev-1", &pem, &e) == 0, "%s", e.text);
	ck_assert_msg(x509_request_key(pem, &k, &e) == 0, "%s", e.text);
	ck_assert_str_eq(key_id(k), key_id(key));
	ck_assert_int_eq(openssl(pem, "openssl req -in crt.pem -verify -noout"),
			 0);
}
END_TEST

static const char *const openssl_requests[] = {
	"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
	"-keyout key.pem -subj /CN=x",
	"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes "
	"-keyout key.pem -subj /CN=x",
	"openssl req -new -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=x",
	"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
	"-keyout key.pem -subj /CN=x -sha512",
};
static const int openssl_wants[] = { 0, -EINVAL, -EINVAL, -EKEYREJECTED };

START_TEST(request_by_openssl_is_taken_if_of_our_kind)
{
	const char *dir = unit_folder();
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *pem = NULL;
	size_t len;

	ck_assert_int_eq(
		system(unit_text("cd %s && %s -out req.pem 2>/dev/null", dir,
				 openssl_requests[_i])),
		0);
	ck_assert_int_eq(io_read_file(unit_text("%s/req.pem", dir), 8192, &pem,
				      &len, &e),
			 0);
	ck_assert_msg(x509_request_key(pem, &k, &e) == openssl_wants[_i], "%s",
		      e.text);
}
END_TEST

/* Breaks each byte of the DER in turn; no such request may give a key. */
START_TEST(request_with_a_broken_signature_is_refused)
{
	auto_free char *pem = NULL;
	auto_free void *der = NULL;
	char flat[4096] = "", *line, *rest;
	size_t len;

	ck_assert_int_eq(x509_request(key, "dev-1", &pem, &e), 0);
	for (rest = pem; (line = strsep(&rest, "\n"));)
		if (line[0] != '-')
			strcat(flat, line);
	ck_assert_int_eq(encoding_from_base64(flat, strlen(flat), &der, &len),
			 0);
	for (size_t i = 0; i < len; i++) {
		auto_free char *b64 = NULL, *bad = NULL;
		struct key *k;

		((uint8_t *)der)[i] ^= 1;
		b64 = encoding_to_base64(der, len);
		((uint8_t *)der)[i] ^= 1;
		ck_assert_int_ge(asprintf(&bad,
					  "-----BEGIN CERTIFICATE REQUEST-----"
					  "\n%s\n-----END CERTIFICATE REQUEST"
					  "-----\n",
					  b64),
				 0);
		ck_assert_msg(x509_request_key(bad, &k, &e) < 0, "byte %zu", i);
	}
}
END_TEST

static const char *const bad_names[] = { "",	 "a,O=b", "a=b", "a+b",
					 "a\\b", "a\nb",  "a/b", "\u00e9" };

START_TEST(name_that_means_more_is_refused)
{
	struct x509_spec spec = { X509_CLIENT, bad_names[_i], NULL, now,
				  now + DAY };
	char *pem;

	ck_assert_int_eq(x509_issue(&spec, key, ca_key, ca, &pem, &e), -EINVAL);
	ck_assert_int_eq(x509_request(key, bad_names[_i], &pem, &e), -EINVAL);
}
END_TEST

START_TEST(text_that_is_no_certificate_is_refused)
{
	uint8_t digest[HASH_SIZE];
	struct key *k;

	ck_assert_int_eq(x509_digest("", digest, &e), -EINVAL);
	ck_assert_int_eq(x509_key("-----BEGIN CERTIFICATE-----\nAAAA\n"
				  "-----END CERTIFICATE-----\n",
				  &k, &e),
			 -EINVAL);
	ck_assert_int_eq(x509_request_key(ca, &k, &e), -EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, openssl_accepts_a_server);
	tcase_add_test(tc, openssl_accepts_a_client);
	tcase_add_test(tc, leaf_cannot_issue);
	tcase_add_test(tc, key_issues_for_its_own_certificate_only);
	tcase_add_test(tc, issuer_made_by_openssl_is_copied);
	tcase_add_test(tc, certificate_is_checked_against_the_given_time);
	tcase_add_test(tc, certificate_of_another_ca_is_refused);
	tcase_add_test(tc, certificate_tells_key_digest_and_validity);
	tcase_add_test(tc, serials_differ);
	tcase_add_test(tc, request_gives_its_key);
	tcase_add_loop_test(tc, request_by_openssl_is_taken_if_of_our_kind, 0,
			    ARRAY_SIZE(openssl_requests));
	tcase_add_test(tc, request_with_a_broken_signature_is_refused);
	tcase_add_loop_test(tc, name_that_means_more_is_refused, 0,
			    ARRAY_SIZE(bad_names));
	tcase_add_test(tc, text_that_is_no_certificate_is_refused);
}

UNIT_MAIN("x509", add)
