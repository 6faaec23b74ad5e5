/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/envelope.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define POLICY ENVELOPE_TYPE_XML("device-policy")
#define CONFIG ENVELOPE_TYPE_XML("vp-config")
#define KEYID64                                                                \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct err e;

static struct key *new_key(void)
{
	struct key *k;

	ck_assert_msg(key_generate(&k, &e) == 0, "%s", e.text);
	return k;
}

START_TEST(envelope_is_read_from_a_value_and_a_file)
{
	AUTO(key_freep) struct key *k = new_key();
	AUTO(envelope_freep) struct envelope *a = NULL, *b = NULL;
	auto_free char *json = NULL;
	auto_json json_t *j = NULL;
	const char *path = unit_text("%s/envelope.json", unit_folder());

	ck_assert_int_eq(envelope_make(POLICY, "<x/>", 4, k, &json, &e), 0);
	j = json_from_text(json);
	ck_assert_int_eq(envelope_from_json(j, &a, &e), 0);
	ck_assert_str_eq(a->payload, "<x/>");
	ck_assert_int_eq(io_replace_file(path, json, strlen(json), 0600, &e),
			 0);
	ck_assert_int_eq(envelope_read_file(path, &b, &e), 0);
	ck_assert_mem_eq(a->pae_digest, b->pae_digest, HASH_SIZE);
	ck_assert_int_eq(envelope_from_json(NULL, &a, &e), -EBADMSG);
	unlink(path);
	ck_assert_int_eq(envelope_read_file(path, &b, &e), -ENOENT);
}
END_TEST

static void assert_refused(const char *json, size_t len, enum reason want)
{
	struct envelope *env;

	ck_assert_int_eq(envelope_parse(json, len, &env, &e),
			 -reason_errno(want));
	ck_assert_msg(e.reason == want, "%s: %s", err_code(&e), e.text);
	ck_assert_uint_eq(strcspn(e.text, "\n"), strlen(e.text));
}

START_TEST(signed_envelope_is_read_back)
{
	AUTO(key_freep) struct key *k = new_key();
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *json = NULL;
	uint8_t digest[HASH_SIZE];

	ck_assert_int_eq(envelope_make(POLICY, "<x/>", 4, k, &json, &e), 0);
	ck_assert_msg(envelope_parse(json, strlen(json), &env, &e) == 0, "%s",
		      e.text);
	ck_assert_str_eq(env->type, POLICY);
	ck_assert_str_eq(env->payload, "<x/>");
	ck_assert_uint_eq(env->payload_len, 4);
	hash_sha256("<x/>", 4, digest);
	ck_assert_mem_eq(env->digest, digest, HASH_SIZE);
	ck_assert_uint_eq(env->n_signatures, 1);
	ck_assert_str_eq(env->signature[0].keyid, key_id(k));
	ck_assert_int_eq(key_verify(k, env->pae_digest, env->signature[0].sig,
				    env->signature[0].sig_len),
			 0);
}
END_TEST

/* The example of the DSSE protocol, version 1.0. */
START_TEST(pae_is_that_of_the_protocol)
{
	auto_free void *pae = NULL;
	size_t len;

	ck_assert_int_eq(envelope_pae("http://example.com/HelloWorld",
				      "hello world", 11, &pae, &len, &e),
			 0);
	ck_assert_str_eq(pae, "DSSEv1 29 http://example.com/HelloWorld 11 "
			      "hello world");
	ck_assert_uint_eq(len, strlen(pae));
}
END_TEST

static void put_file(const char *path, const void *data, size_t len)
{
	ck_assert_msg(io_replace_file(path, data, len, 0600, &e) == 0, "%s",
		      e.text);
}

/* Runs a shell command in a new folder with files pae, sig and pub.pem. */
static int openssl(const struct key *k, const void *pae, size_t pae_len,
		   const void *sig, size_t sig_len, const char *command)
{
	auto_free char *pem = NULL;
	const char *dir = unit_folder();

	ck_assert_int_eq(key_to_pem(k, false, &pem, &e), 0);
	put_file(unit_text("%s/pub.pem", dir), pem, strlen(pem));
	put_file(unit_text("%s/pae", dir), pae, pae_len);
	if (sig)
		put_file(unit_text("%s/sig", dir), sig, sig_len);
	return system(unit_text("cd %s && %s >/dev/null 2>&1", dir, command));
}

START_TEST(openssl_verifies_what_we_sign)
{
	AUTO(key_freep) struct key *k = new_key();
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free void *pae = NULL;
	size_t len;

	ck_assert_int_eq(envelope_new(POLICY, "<x/>", 4, &env, &e), 0);
	ck_assert_int_eq(envelope_sign(env, k, &e), 0);
	ck_assert_int_eq(envelope_pae(POLICY, "<x/>", 4, &pae, &len, &e), 0);
	ck_assert_int_eq(openssl(k, pae, len, env->signature[0].sig,
				 env->signature[0].sig_len,
				 "openssl dgst -sha256 -verify pub.pem "
				 "-signature sig pae"),
			 0);
	((char *)pae)[len - 1] ^= 1;
	ck_assert_int_ne(openssl(k, pae, len, env->signature[0].sig,
				 env->signature[0].sig_len,
				 "openssl dgst -sha256 -verify pub.pem "
				 "-signature sig pae"),
			 0);
}
END_TEST

START_TEST(we_verify_what_openssl_signs)
{
	AUTO(key_freep) struct key *k = NULL;
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *pem = NULL, *sig = NULL;
	const char *dir = unit_folder();
	size_t len;

	ck_assert_int_eq(envelope_new(POLICY, "<x/>", 4, &env, &e), 0);
	put_file(unit_text("%s/pae", dir), "DSSEv1 39 " POLICY " 4 <x/>", 56);
	ck_assert_int_eq(
		system(unit_text(
			"cd %s && openssl ecparam -name prime256v1 -genkey "
			"-noout -out key.pem && openssl dgst -sha256 "
			"-sign key.pem -out sig pae",
			dir)),
		0);
	ck_assert_int_eq(io_read_file(unit_text("%s/key.pem", dir), 4096, &pem,
				      &len, &e),
			 0);
	ck_assert_msg(key_from_pem(pem, &k, &e) == 0, "%s", e.text);
	ck_assert_int_eq(
		io_read_file(unit_text("%s/sig", dir), 4096, &sig, &len, &e),
		0);
	ck_assert_int_eq(key_verify(k, env->pae_digest, sig, len), 0);
	env->pae_digest[0] ^= 1;
	ck_assert_int_eq(key_verify(k, env->pae_digest, sig, len),
			 -EKEYREJECTED);
}
END_TEST

#define ENVELOPE(type, payload, rest)                                          \
	"{\"payloadType\":\"" type "\",\"payload\":\"" payload                 \
	"\",\"signatures\":" rest "}"
#define SIG(keyid, sig) "{\"keyid\":\"" keyid "\",\"sig\":\"" sig "\"}"

static const char *const good[] = {
	ENVELOPE(POLICY, "PHgvPg==", "[]"),
	ENVELOPE(POLICY, "", "[]"),
	ENVELOPE(POLICY, "PHgvPg==", "[" SIG(KEYID64, "MAAA") "]"),
	ENVELOPE(POLICY, "PHgvPg==",
		 "[" SIG(KEYID64, "MAAA") "," SIG(KEYID64, "MAAA") "]"),
	ENVELOPE(CONFIG, "PHgvPg==", "[],\"proofs\":[]"),
	(" { \"signatures\" : [ ] , \"payload\" : \"\" , \"payloadType\" : "
	 "\"x\" } "),
};

START_TEST(well_formed_envelope_is_taken)
{
	AUTO(envelope_freep) struct envelope *env = NULL;

	ck_assert_msg(envelope_parse(good[_i], strlen(good[_i]), &env, &e) == 0,
		      "%s", e.text);
}
END_TEST

static const char *const malformed[] = {
	"",
	"[]",
	"null",
	"{}",
	"{",
	ENVELOPE(POLICY, "PHgvPg==", "[]") "x",
	ENVELOPE(POLICY, "PHgvPg==", "{}"),
	ENVELOPE(POLICY, "PHgvPg==", "null"),
	ENVELOPE(POLICY, "PHgvPg==", "[null]"),
	ENVELOPE(POLICY, "PHgvPg==", "[[]]"),
	ENVELOPE(POLICY, "PHgvPg", "[]"),
	ENVELOPE(POLICY, "PHgvPg==\\n", "[]"),
	ENVELOPE(POLICY, "PHgvPh==", "[]"),
	ENVELOPE(POLICY, "PHgv_g==", "[]"),
	ENVELOPE(POLICY, "PHgvPg==", "[],\"signatures\":[]"),
	ENVELOPE(POLICY, "PHgvPg==", "[],\"payload\":\"\""),
	ENVELOPE(POLICY, "PHgvPg==", "[],\"extra\":1"),
	ENVELOPE(POLICY, "PHgvPg==", "[],\"proofs\":[]"),
	ENVELOPE(CONFIG, "PHgvPg==", "[],\"proofs\":null"),
	ENVELOPE(CONFIG, "PHgvPg==", "[],\"proofs\":{}"),
	ENVELOPE(CONFIG, "PHgvPg==", "[],\"proofs\":[{}]"),
	ENVELOPE(CONFIG, "PHgvPg==",
		 "[],\"proofs\":[{\"over\":\"sha256:" KEYID64
		 "\",\"mac\":\"MAAA\"}]"),
	ENVELOPE(CONFIG, "PHgvPg==",
		 "[],\"proofs\":[{\"over\":\"" KEYID64
		 "\",\"mac\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"
		 "]"),
	ENVELOPE("", "PHgvPg==", "[]"),
	ENVELOPE("a b", "PHgvPg==", "[]"),
	ENVELOPE("a\\u0000b", "PHgvPg==", "[]"),
	ENVELOPE("a\\u00e9", "PHgvPg==", "[]"),
	ENVELOPE(POLICY POLICY POLICY, "PHgvPg==", "[]"),
	ENVELOPE(POLICY, "PHgvPg==", "[" SIG("", "MAAA") "]"),
	ENVELOPE(POLICY, "PHgvPg==", "[" SIG(KEYID64 "0", "MAAA") "]"),
	ENVELOPE(POLICY, "PHgvPg==",
		 "[" SIG("00112233445566778899AABBCCDDEEFF00112233445566778899"
			 "AABBCCDDEEFF",
			 "MAAA") "]"),
	ENVELOPE(POLICY, "PHgvPg==", "[" SIG(KEYID64, "") "]"),
	ENVELOPE(POLICY, "PHgvPg==", "[" SIG(KEYID64, "MAA") "]"),
	ENVELOPE(POLICY, "PHgvPg==", "[{\"keyid\":\"" KEYID64 "\"}]"),
	ENVELOPE(POLICY, "PHgvPg==",
		 "[{\"keyid\":\"" KEYID64 "\",\"sig\":\"MAAA\",\"x\":1}]"),
	ENVELOPE(POLICY, "PHgvPg==",
		 "[{\"keyid\":\"" KEYID64
		 "\",\"sig\":\"MAAA\",\"sig\":\"MAAA\"}]"),
	"{\"payloadType\":1,\"payload\":\"\",\"signatures\":[]}",
	"{\"payloadType\":\"x\",\"payload\":null,\"signatures\":[]}",
	"{\"payloadType\":\"x\",\"signatures\":[]}",
	"{\"payload\":\"\",\"signatures\":[]}",
	"{\"payloadType\":\"x\",\"payload\":\"\"}",
	"{\"payloadType\":\"\xff\",\"payload\":\"\",\"signatures\":[]}",
};

START_TEST(malformed_envelope_is_refused)
{
	assert_refused(malformed[_i], strlen(malformed[_i]), REASON_ENVELOPE);
}
END_TEST

/* An envelope with n signatures, each by a keyid of its own. */
static char *with_signatures(unsigned int n)
{
	char *list = unit_text("%s", "");

	for (unsigned int i = 0; i < n; i++)
		list = unit_text("%s%s{\"keyid\":\"%064x\",\"sig\":\"MAAA\"}",
				 list, i ? "," : "", i);
	return unit_text(
		"{\"payloadType\":\"x\",\"payload\":\"\",\"signatures\":[%s]}",
		list);
}

START_TEST(sixteen_signatures_are_the_most)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	const char *json = with_signatures(16);

	ck_assert_msg(envelope_parse(json, strlen(json), &env, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(env->n_signatures, 16);
	json = with_signatures(17);
	assert_refused(json, strlen(json), REASON_ENVELOPE);
	AUTO(key_freep) struct key *k = new_key();
	ck_assert_int_eq(envelope_sign(env, k, &e), -E2BIG);
}
END_TEST

/* An envelope whose document has n bytes, filled to `size` with spaces. */
static char *sized(size_t n, size_t size)
{
	auto_free char *body = calloc(1, n + 1);
	auto_free char *b64 = NULL;
	char *json;

	memset(body, 'x', n);
	b64 = encoding_to_base64(body, n);
	json = unit_text("{\"payloadType\":\"x\",\"payload\":\"%s\","
			 "\"signatures\":[]}",
			 b64);
	return size > strlen(json) ? unit_text("%-*s", (int)size, json) : json;
}

START_TEST(document_of_the_largest_size_is_taken_and_no_larger)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	const char *json = sized(ENVELOPE_PAYLOAD_MAX, ENVELOPE_MAX);

	ck_assert_uint_eq(strlen(json), ENVELOPE_MAX);
	ck_assert_msg(envelope_parse(json, strlen(json), &env, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(env->payload_len, ENVELOPE_PAYLOAD_MAX);
	for (size_t more = 1; more < 5; more++) {
		json = sized(ENVELOPE_PAYLOAD_MAX + more, 0);
		assert_refused(json, strlen(json), REASON_TOO_LARGE);
	}
	json = sized(1, ENVELOPE_MAX + 1);
	assert_refused(json, strlen(json), REASON_TOO_LARGE);
	envelope_free(steal(env));
	ck_assert_int_eq(
		envelope_new("x", json, ENVELOPE_PAYLOAD_MAX + 1, &env, &e),
		-EFBIG);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	char deep[100000];

	memset(deep, '[', sizeof(deep));
	assert_refused(deep, sizeof(deep), REASON_ENVELOPE);
}
END_TEST

START_TEST(signing_again_replaces)
{
	AUTO(key_freep) struct key *k = new_key();
	AUTO(envelope_freep) struct envelope *env = NULL;

	ck_assert_int_eq(envelope_new(POLICY, "<x/>", 4, &env, &e), 0);
	ck_assert_int_eq(envelope_sign(env, k, &e), 0);
	ck_assert_int_eq(envelope_sign(env, k, &e), 0);
	ck_assert_uint_eq(env->n_signatures, 1);
}
END_TEST

START_TEST(signatures_and_proofs_of_two_are_merged)
{
	AUTO(key_freep) struct key *a = new_key(), *b = new_key();
	AUTO(envelope_freep) struct envelope *one = NULL, *two = NULL;
	AUTO(envelope_freep) struct envelope *back = NULL, *other = NULL;
	struct envelope_proof proof = { { 1 }, { 2 } };
	auto_free char *json = NULL;

	ck_assert_int_eq(envelope_new(CONFIG, "<x/>", 4, &one, &e), 0);
	ck_assert_int_eq(envelope_new(CONFIG, "<x/>", 4, &two, &e), 0);
	ck_assert_int_eq(envelope_new(CONFIG, "<y/>", 4, &other, &e), 0);
	envelope_sign(one, a, &e);
	envelope_sign(two, a, &e);
	envelope_sign(two, b, &e);
	ck_assert_int_eq(envelope_add_proof(two, &proof, &e), 0);
	ck_assert_int_eq(envelope_merge(one, two, &e), 0);
	ck_assert_int_eq(envelope_merge(one, two, &e), 0);
	ck_assert_int_eq(envelope_merge(one, other, &e), -EINVAL);
	ck_assert_int_eq(envelope_text(one, &json, &e), 0);
	ck_assert_msg(envelope_parse(json, strlen(json), &back, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(back->n_signatures, 2);
	ck_assert_uint_eq(back->n_proofs, 1);
	ck_assert_mem_eq(&back->proof[0], &proof, sizeof(proof));
}
END_TEST

START_TEST(proof_beside_another_document_is_refused)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	struct envelope_proof proof = { 0 };

	ck_assert_int_eq(envelope_new(POLICY, "", 0, &env, &e), 0);
	ck_assert_int_eq(envelope_add_proof(env, &proof, &e), -EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, signed_envelope_is_read_back);
	tcase_add_test(tc, pae_is_that_of_the_protocol);
	tcase_add_test(tc, openssl_verifies_what_we_sign);
	tcase_add_test(tc, we_verify_what_openssl_signs);
	tcase_add_loop_test(tc, well_formed_envelope_is_taken, 0,
			    ARRAY_SIZE(good));
	tcase_add_loop_test(tc, malformed_envelope_is_refused, 0,
			    ARRAY_SIZE(malformed));
	tcase_add_test(tc, sixteen_signatures_are_the_most);
	tcase_add_test(tc, document_of_the_largest_size_is_taken_and_no_larger);
	tcase_add_test(tc, deep_nesting_is_refused);
	tcase_add_test(tc, signing_again_replaces);
	tcase_add_test(tc, envelope_is_read_from_a_value_and_a_file);
	tcase_add_test(tc, signatures_and_proofs_of_two_are_merged);
	tcase_add_test(tc, proof_beside_another_document_is_refused);
}

UNIT_MAIN("envelope", add)
