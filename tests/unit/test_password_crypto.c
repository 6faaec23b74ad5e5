/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/password_crypto.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

#define NS_PER_MS 1000000

static struct err e;
static const char salt[PASSWORD_CRYPTO_SALT_MIN + 1] = "0123456789abcdef";

static struct password_crypto_key derive(const char *password)
{
	struct password_crypto_key k;

	ck_assert_msg(password_crypto_derive_key(
			      password, salt, PASSWORD_CRYPTO_SALT_MIN,
			      PASSWORD_CRYPTO_ITERATIONS_MIN, &k, &e) == 0,
		      "%s", e.text);
	return k;
}

/* python3: hashlib.pbkdf2_hmac("sha512", b"password", b"0123456789abcdef",
 * 210000, 64). */
START_TEST(derivation_is_pbkdf2)
{
	static const char want_auth[] = "85447ef40d3f24ada3946f9d8c5a20ef5aab6a"
					"6f064cd1330f27e592f471e20c";
	static const char want_enc[] = "7c120b396f09d5feafde14baa5dc33f8d8f6f04"
				       "e93615b8025147e9b32b4c4b3";
	AUTO(password_crypto_wipe_key)
	struct password_crypto_key k = derive("password");
	char hex[65];

	encoding_to_hex(k.auth, sizeof(k.auth), hex);
	ck_assert_str_eq(hex, want_auth);
	encoding_to_hex(k.enc, sizeof(k.enc), hex);
	ck_assert_str_eq(hex, want_enc);
}
END_TEST

static const struct {
	uint64_t iterations;
	size_t salt_len;
} out_of_bounds[] = {
	{ 0, PASSWORD_CRYPTO_SALT_MIN },
	{ PASSWORD_CRYPTO_ITERATIONS_MIN - 1, PASSWORD_CRYPTO_SALT_MIN },
	{ PASSWORD_CRYPTO_ITERATIONS_MAX + 1, PASSWORD_CRYPTO_SALT_MIN },
	{ 1000000000, PASSWORD_CRYPTO_SALT_MIN },
	{ UINT64_C(0x100000000) + PASSWORD_CRYPTO_ITERATIONS_MIN,
	  PASSWORD_CRYPTO_SALT_MIN },
	{ UINT64_MAX, PASSWORD_CRYPTO_SALT_MIN },
	{ PASSWORD_CRYPTO_ITERATIONS_MIN, PASSWORD_CRYPTO_SALT_MIN - 1 },
	{ PASSWORD_CRYPTO_ITERATIONS_MIN, 0 },
};

START_TEST(bounds_are_tested_before_the_work)
{
	uint64_t start = clock_cpu_ns();
	struct password_crypto_key k;

	ck_assert_int_eq(password_crypto_derive_key(
				 "password", salt, out_of_bounds[_i].salt_len,
				 out_of_bounds[_i].iterations, &k, &e),
			 -EINVAL);
	ck_assert_uint_lt(clock_cpu_ns() - start, 50 * NS_PER_MS);
}
END_TEST

START_TEST(proof_fits_one_password_and_one_document)
{
	AUTO(password_crypto_wipe_key)
	struct password_crypto_key k = derive("password");
	AUTO(password_crypto_wipe_key)
	struct password_crypto_key other = derive("passwort");
	uint8_t verifier[HASH_SIZE], proof[HASH_SIZE];

	password_crypto_verifier(&k, verifier);
	password_crypto_make_proof(&k, "sha256:aa", "pae", 3, proof);
	ck_assert(password_crypto_check_proof(verifier, "sha256:aa", "pae", 3,
					      proof));
	ck_assert(!password_crypto_check_proof(verifier, "sha256:ab", "pae", 3,
					       proof));
	ck_assert(!password_crypto_check_proof(verifier, "sha256:aa", "pbe", 3,
					       proof));
	proof[0] ^= 1;
	ck_assert(!password_crypto_check_proof(verifier, "sha256:aa", "pae", 3,
					       proof));
	password_crypto_make_proof(&other, "sha256:aa", "pae", 3, proof);
	ck_assert(!password_crypto_check_proof(verifier, "sha256:aa", "pae", 3,
					       proof));
}
END_TEST

START_TEST(sealed_bytes_open_unchanged_only)
{
	const uint8_t key[32] = { 1 }, other[32] = { 2 };
	const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE] = { 3 };
	auto_free void *sealed = NULL, *back = NULL;
	size_t len, back_len;
	void *none;

	ck_assert_int_eq(password_crypto_encrypt(key, nonce, "a", 1, "secret",
						 6, &sealed, &len, &e),
			 0);
	ck_assert_uint_eq(len, 6 + PASSWORD_CRYPTO_TAG_SIZE);
	ck_assert_int_eq(password_crypto_decrypt(key, nonce, "a", 1, sealed,
						 len, &back, &back_len, &e),
			 0);
	ck_assert_uint_eq(back_len, 6);
	ck_assert_str_eq(back, "secret");
	ck_assert_int_eq(password_crypto_decrypt(other, nonce, "a", 1, sealed,
						 len, &none, &back_len, &e),
			 -EACCES);
	ck_assert_int_eq(password_crypto_decrypt(key, nonce, "b", 1, sealed,
						 len, &none, &back_len, &e),
			 -EACCES);
	ck_assert_int_eq(password_crypto_decrypt(key, nonce, "a", 1, sealed,
						 PASSWORD_CRYPTO_TAG_SIZE - 1,
						 &none, &back_len, &e),
			 -EACCES);
	for (size_t i = 0; i < len; i++) {
		((uint8_t *)sealed)[i] ^= 1;
		ck_assert_int_eq(password_crypto_decrypt(key, nonce, "a", 1,
							 sealed, len, &none,
							 &back_len, &e),
				 -EACCES);
		((uint8_t *)sealed)[i] ^= 1;
	}
}
END_TEST

/* The GCM specification (McGrew, Viega), test case 14: one block of zeros. */
START_TEST(cipher_is_aes_256_gcm)
{
	const uint8_t key[32] = { 0 },
		      nonce[PASSWORD_CRYPTO_NONCE_SIZE] = { 0 };
	const uint8_t zeros[16] = { 0 };
	auto_free void *sealed = NULL;
	char hex[65];
	size_t len;

	ck_assert_int_eq(password_crypto_encrypt(key, nonce, "", 0, zeros,
						 sizeof(zeros), &sealed, &len,
						 &e),
			 0);
	encoding_to_hex(sealed, len, hex);
	ck_assert_str_eq(hex, "cea7403d4d606b6e074ec5d3baf39d18"
			      "d0d1c8a799996bf0265b98b5d48ab919");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, derivation_is_pbkdf2);
	tcase_add_loop_test(tc, bounds_are_tested_before_the_work, 0,
			    ARRAY_SIZE(out_of_bounds));
	tcase_add_test(tc, proof_fits_one_password_and_one_document);
	tcase_add_test(tc, sealed_bytes_open_unchanged_only);
	tcase_add_test(tc, cipher_is_aes_256_gcm);
}

UNIT_MAIN("password_crypto", add)
