/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/key.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/json.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/stat.h>

#define PASSWORD "correct horse battery"

static struct err e;
static const uint8_t digest[HASH_SIZE] = { 1, 2, 3 };

static struct key *new_key(void)
{
	struct key *k;

	ck_assert_msg(key_generate(&k, &e) == 0, "%s", e.text);
	return k;
}

static char *output_of(const char *command)
{
	FILE *f = popen(command, "re");
	char line[512] = "";

	ck_assert_ptr_nonnull(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	pclose(f);
	line[strcspn(line, " \n")] = '\0';
	return unit_text("%s", line);
}

static void assert_signs_for(const struct key *private,
			     const struct key *public)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len;

	ck_assert_msg(key_sign(private, digest, sig, &len, &e) == 0, "%s",
		      e.text);
	ck_assert_int_eq(key_verify(public, digest, sig, len), 0);
}

START_TEST(key_survives_pem_and_spki)
{
	AUTO(key_freep) struct key *k = new_key();
	AUTO(key_freep) struct key *again = NULL, *public = NULL, *spki = NULL;
	auto_free char *pem = NULL, *public_pem = NULL;
	const void *der;
	size_t len;

	ck_assert_int_eq(key_to_pem(k, true, &pem, &e), 0);
	ck_assert_int_eq(key_to_pem(k, false, &public_pem, &e), 0);
	ck_assert_msg(key_from_pem(pem, &again, &e) == 0, "%s", e.text);
	ck_assert_msg(key_from_pem(public_pem, &public, &e) == 0, "%s", e.text);
	der = key_spki(k, &len);
	ck_assert_uint_eq(len, 91);
	ck_assert_msg(key_from_spki(der, len, &spki, &e) == 0, "%s", e.text);
	ck_assert_str_eq(key_id(k), key_id(again));
	ck_assert_str_eq(key_id(k), key_id(public));
	ck_assert_str_eq(key_id(k), key_id(spki));
	ck_assert(key_is_private(again));
	ck_assert(!key_is_private(public));
	ck_assert(!key_is_private(spki));
	assert_signs_for(again, spki);
}
END_TEST

START_TEST(public_half_cannot_sign)
{
	AUTO(key_freep) struct key *k = new_key(), *public = NULL;
	auto_free char *pem = NULL;
	uint8_t sig[KEY_SIG_MAX];
	const void *der;
	size_t len;

	der = key_spki(k, &len);
	ck_assert_int_eq(key_from_spki(der, len, &public, &e), 0);
	ck_assert_int_eq(key_sign(public, digest, sig, &len, &e), -EINVAL);
	ck_assert_int_eq(key_to_pem(public, true, &pem, &e), -EINVAL);
	ck_assert_int_eq(key_file_encrypt(public, "alice", PASSWORD, &pem, &e),
			 -EINVAL);
}
END_TEST

START_TEST(id_is_what_openssl_tells)
{
	AUTO(key_freep) struct key *k = new_key();
	const char *path = unit_text("%s/pub.pem", unit_folder());
	auto_free char *pem = NULL;

	ck_assert_int_eq(key_to_pem(k, false, &pem, &e), 0);
	ck_assert_int_eq(io_replace_file(path, pem, strlen(pem), 0600, &e), 0);
	ck_assert_str_eq(
		output_of(unit_text("openssl pkey -pubin -in %s -outform "
				    "DER | sha256sum",
				    path)),
		key_id(k));
}
END_TEST

static const char *const openssl_keys[] = {
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
	"openssl ecparam -name prime256v1 -genkey",
	"openssl ecparam -name prime256v1 -genkey -noout",
};

START_TEST(openssl_key_is_read)
{
	AUTO(key_freep) struct key *k = NULL;
	const char *path = unit_text("%s/key.pem", unit_folder());
	auto_free char *pem = NULL;
	size_t len;

	ck_assert_int_eq(system(unit_text("%s > %s 2>/dev/null",
					  openssl_keys[_i], path)),
			 0);
	ck_assert_int_eq(io_read_file(path, 4096, &pem, &len, &e), 0);
	ck_assert_msg(key_from_pem(pem, &k, &e) == 0, "%s", e.text);
	assert_signs_for(k, k);
}
END_TEST

static const char *const other_keys[] = {
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384",
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
	"openssl genpkey -algorithm ED25519",
	"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "
	"-aes256 -pass pass:x",
	"echo",
	"echo -----BEGIN PRIVATE KEY-----",
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 | "
	"openssl pkey -pubout",
	"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | "
	"openssl pkey -pubout | sed 's/BEGIN PUBLIC/BEGIN PUBIC/'",
};

START_TEST(other_kind_of_key_is_refused)
{
	const char *path = unit_text("%s/key.pem", unit_folder());
	auto_free char *pem = NULL;
	struct key *k;
	size_t len;

	ck_assert_int_eq(system(unit_text("(%s) > %s 2>/dev/null",
					  other_keys[_i], path)),
			 0);
	ck_assert_int_eq(io_read_file(path, 4096, &pem, &len, &e), 0);
	ck_assert_int_eq(key_from_pem(pem, &k, &e), -EINVAL);
}
END_TEST

/* One key must not have two ids, or it would count twice. */
START_TEST(other_spelling_of_an_spki_is_refused)
{
	AUTO(key_freep) struct key *k = new_key();
	uint8_t der[KEY_SPKI_MAX] = { 0 };
	struct key *again;
	const void *spki;
	size_t len;

	spki = key_spki(k, &len);
	memcpy(der, spki, len);
	ck_assert_int_eq(key_from_spki(der, len + 1, &again, &e), -EINVAL);
	ck_assert_int_eq(key_from_spki(der, len - 1, &again, &e), -EINVAL);
	ck_assert_int_eq(key_from_spki(der, 0, &again, &e), -EINVAL);
	for (size_t i = 0; i < len; i++)
		for (uint8_t bit = 1; bit; bit <<= 1) {
			der[i] ^= bit;
			/* Among them points that are not on the curve. */
			ck_assert_int_eq(key_from_spki(der, len, &again, &e),
					 -EINVAL);
			der[i] ^= bit;
		}
	/* A length in the long form is BER, not DER. */
	memmove(der + 3, der + 2, len - 2);
	der[2] = der[1];
	der[1] = 0x81;
	ck_assert_int_eq(key_from_spki(der, len + 1, &again, &e), -EINVAL);
}
END_TEST

START_TEST(changed_signature_does_not_verify)
{
	AUTO(key_freep) struct key *k = new_key(), *other = new_key();
	uint8_t sig[KEY_SIG_MAX], longer[KEY_SIG_MAX + 1] = { 0 };
	size_t len;

	ck_assert_int_eq(key_sign(k, digest, sig, &len, &e), 0);
	ck_assert_int_eq(key_verify(other, digest, sig, len), -EKEYREJECTED);
	ck_assert_int_eq(key_verify(k, digest, sig, len - 1), -EKEYREJECTED);
	ck_assert_int_eq(key_verify(k, digest, sig, 0), -EKEYREJECTED);
	memcpy(longer, sig, len);
	ck_assert_int_eq(key_verify(k, digest, longer, len + 1), -EKEYREJECTED);
	for (size_t i = 0; i < len; i++) {
		sig[i] ^= 1;
		ck_assert_int_eq(key_verify(k, digest, sig, len),
				 -EKEYREJECTED);
		sig[i] ^= 1;
	}
}
END_TEST

/* Signatures whose two numbers are spelt in another way. */
static const struct {
	const char *what;
	uint8_t head[3];
	size_t head_len;
	bool padded[2]; /* a zero before the number */
	bool cut[2];	/* no zero before it where there must be one */
	bool more;	/* a byte behind, which the length counts */
} spellings[] = {
	{ .what = "as it is", { 0x30 }, 1 },
	{ .what = "a long length", { 0x30, 0x81 }, 2 },
	{ .what = "a longer one", { 0x30, 0x82, 0 }, 3 },
	{ .what = "a zero before r", { 0x30 }, 1, .padded = { true } },
	{ .what = "a zero before s", { 0x30 }, 1, .padded = { false, true } },
	{ .what = "r below 0", { 0x30 }, 1, .cut = { true } },
	{ .what = "s below 0", { 0x30 }, 1, .cut = { false, true } },
	{ .what = "a byte behind", { 0x30 }, 1, .more = true },
	{ .what = "not a sequence", { 0x31 }, 1 },
};

static size_t spell(const uint8_t *sig, int i, uint8_t *ret)
{
	size_t n = 0, head = spellings[i].head_len;
	uint8_t body[KEY_SIG_MAX + 4];
	const uint8_t *p = sig + 2;

	for (int k = 0; k < 2; k++) {
		size_t len = p[1], drop = spellings[i].cut[k] && p[2] == 0;

		body[n++] = 2;
		body[n++] = (uint8_t)(len + spellings[i].padded[k] - drop);
		if (spellings[i].padded[k])
			body[n++] = 0;
		memcpy(body + n, p + 2 + drop, len - drop);
		n += len - drop;
		p += 2 + len;
	}
	if (spellings[i].more)
		body[n++] = 0;
	memcpy(ret, spellings[i].head, head);
	ret[head] = (uint8_t)n;
	memcpy(ret + head + 1, body, n);
	return head + 1 + n;
}

START_TEST(signature_has_one_spelling)
{
	uint8_t sig[KEY_SIG_MAX], other[KEY_SIG_MAX + 8];
	bool tried = false;
	size_t len, n;

	/* A number below 0 is one whose zero was taken: half of them have one.
	 */
	for (int i = 0; i < 40 && !tried; i++) {
		AUTO(key_freep) struct key *k = new_key();
		bool same;

		ck_assert_int_eq(key_sign(k, digest, sig, &len, &e), 0);
		n = spell(sig, _i, other);
		same = n == len && memcmp(sig, other, n) == 0;
		tried = !same || _i == 0;
		ck_assert_msg((key_verify(k, digest, other, n) == 0) == same,
			      "%s", spellings[_i].what);
	}
	ck_assert(tried);
}
END_TEST

START_TEST(file_is_made_once_and_private)
{
	const char *path = unit_text("%s/key.pem", unit_folder());
	AUTO(key_freep) struct key *made = NULL, *again = NULL;
	struct key *none;
	struct stat sb;

	ck_assert_int_eq(key_open_file(path, false, &none, &e), -ENOENT);
	ck_assert_int_eq(key_open_file(path, true, &made, &e), 0);
	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 0777, 0600);
	ck_assert_int_eq(key_open_file(path, true, &again, &e), 0);
	ck_assert_str_eq(key_id(made), key_id(again));
	ck_assert_int_eq(truncate(path, 100), 0);
	ck_assert_int_eq(key_open_file(path, true, &none, &e), -EINVAL);
}
END_TEST

static char *sealed(const struct key *k)
{
	char *json;

	ck_assert_msg(
		key_file_encrypt(k, "Alice Example", PASSWORD, &json, &e) == 0,
		"%s", e.text);
	return json;
}

START_TEST(sealed_key_opens_with_its_password_only)
{
	AUTO(key_freep) struct key *k = new_key(), *again = NULL;
	AUTO(key_freep) struct key *public = NULL;
	auto_free char *json = sealed(k), *name = NULL;
	struct key *none;

	ck_assert_msg(key_file_decrypt(json, strlen(json), PASSWORD, &again,
				       &name, &e) == 0,
		      "%s", e.text);
	ck_assert_str_eq(name, "Alice Example");
	assert_signs_for(again, k);
	ck_assert_int_eq(
		key_file_decrypt(json, strlen(json), NULL, &public, NULL, &e),
		0);
	ck_assert_str_eq(key_id(public), key_id(k));
	ck_assert(!key_is_private(public));
	ck_assert_int_eq(key_file_decrypt(json, strlen(json),
					  "wrong horse battery", &none, NULL,
					  &e),
			 -EACCES);
	ck_assert_int_eq(
		key_file_decrypt(json, strlen(json), "", &none, NULL, &e),
		-EACCES);
}
END_TEST

START_TEST(short_password_and_bad_name_are_refused)
{
	AUTO(key_freep) struct key *k = new_key();
	char *json;

	ck_assert_int_eq(key_file_encrypt(k, "alice", "eleven char", &json, &e),
			 -EINVAL);
	/* Twelve bytes, but six characters. */
	ck_assert_int_eq(key_file_encrypt(k, "alice",
					  "\u00e9\u00e9\u00e9\u00e9\u00e9"
					  "\u00e9",
					  &json, &e),
			 -EINVAL);
	ck_assert_int_eq(key_file_encrypt(k, "alice\n", PASSWORD, &json, &e),
			 -EINVAL);
	ck_assert_int_eq(key_file_encrypt(k, " alice", PASSWORD, &json, &e),
			 -EINVAL);
	ck_assert_int_eq(key_file_encrypt(k, "", PASSWORD, &json, &e), -EINVAL);
}
END_TEST

static void assert_tampered(json_t *j, int want)
{
	auto_free char *json = json_text(j);
	struct key *k;

	ck_assert_msg(key_file_decrypt(json, strlen(json), PASSWORD, &k, NULL,
				       &e) == want,
		      "%s", json);
}

/* Each is refused: by the seal where only that can know. */
START_TEST(tampering_with_a_key_file_is_noticed)
{
	AUTO(key_freep) struct key *k = new_key(), *other = new_key();
	auto_free char *json = sealed(k), *spki = NULL;
	const struct {
		const char *member;
		json_t *value;
		int want;
	} changes[] = {
		{ "name", json_string("bob"), -EACCES },
		{ "iterations", json_integer(210001), -EACCES },
		{ "iterations", json_integer(209999), -EINVAL },
		{ "iterations", json_integer(1000000000), -EINVAL },
		{ "iterations", json_integer(-1), -EINVAL },
		{ "iterations", json_integer(INT64_C(4294967296) + 210000),
		  -EINVAL },
		{ "iterations", json_string("210000"), -EINVAL },
		{ "salt", json_string("AAAAAAAAAAAAAAAAAAAAAAAA"), -EACCES },
		{ "salt", json_string("AAAA"), -EINVAL },
		{ "nonce", json_string("AAAAAAAAAAAAAAAA"), -EACCES },
		{ "nonce", json_string("AAAAAAAAAAAAAAAAAAAA"), -EINVAL },
		{ "sealed", json_string("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
		  -EACCES },
		{ "sealed", json_string(""), -EINVAL },
		{ "spki", json_string("AAAA"), -EINVAL },
		{ "kdf", json_string("none"), -EINVAL },
		{ "cipher", json_string("none"), -EINVAL },
		{ "type", json_string("cells"), -EINVAL },
		{ "format", json_integer(2), -EINVAL },
		{ "extra", json_integer(2), -EINVAL },
		{ "name", NULL, -EINVAL },
	};
	const void *der;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		auto_json json_t *j = json_from_text(json);

		if (changes[i].value)
			json_object_set_new(j, changes[i].member,
					    changes[i].value);
		else
			json_object_del(j, changes[i].member);
		assert_tampered(j, changes[i].want);
	}
	der = key_spki(other, &len);
	spki = encoding_to_base64(der, len);
	auto_json json_t *j = json_from_text(json);
	json_object_set_new(j, "spki", json_string(spki));
	assert_tampered(j, -EACCES);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, key_survives_pem_and_spki);
	tcase_add_test(tc, public_half_cannot_sign);
	tcase_add_test(tc, id_is_what_openssl_tells);
	tcase_add_loop_test(tc, openssl_key_is_read, 0,
			    ARRAY_SIZE(openssl_keys));
	tcase_add_loop_test(tc, other_kind_of_key_is_refused, 0,
			    ARRAY_SIZE(other_keys));
	tcase_add_test(tc, other_spelling_of_an_spki_is_refused);
	tcase_add_test(tc, changed_signature_does_not_verify);
	tcase_add_loop_test(tc, signature_has_one_spelling, 0,
			    ARRAY_SIZE(spellings));
	tcase_add_test(tc, file_is_made_once_and_private);
	tcase_add_test(tc, sealed_key_opens_with_its_password_only);
	tcase_add_test(tc, short_password_and_bad_name_are_refused);
	tcase_add_test(tc, tampering_with_a_key_file_is_noticed);
}

UNIT_MAIN("key", add)
