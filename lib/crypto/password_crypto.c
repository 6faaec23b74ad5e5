/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/password_crypto.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <inttypes.h>
#include <mbedtls/gcm.h>
#include <mbedtls/md.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/platform_util.h>
#include <string.h>

#define VERIFIER_LABEL "cells-verifier"

int password_crypto_derive_key(const char *password, const void *salt,
			       size_t salt_len, uint64_t iterations,
			       struct password_crypto_key *ret, struct err *e)
{
	const mbedtls_md_info_t *sha512 =
		mbedtls_md_info_from_type(MBEDTLS_MD_SHA512);
	uint8_t out[sizeof(ret->auth) + sizeof(ret->enc)];
	mbedtls_md_context_t md;
	int r;

	if (iterations < PASSWORD_CRYPTO_ITERATIONS_MIN ||
	    iterations > PASSWORD_CRYPTO_ITERATIONS_MAX)
		return err_set(e, EINVAL,
			       "derive key: %" PRIu64 " iterations are not "
			       "within %d to %d",
			       iterations, PASSWORD_CRYPTO_ITERATIONS_MIN,
			       PASSWORD_CRYPTO_ITERATIONS_MAX);
	if (salt_len < PASSWORD_CRYPTO_SALT_MIN)
		return err_set(e, EINVAL,
			       "derive key: salt of %zu bytes is under %d",
			       salt_len, PASSWORD_CRYPTO_SALT_MIN);
	mbedtls_md_init(&md);
	r = mbedtls_md_setup(&md, sha512, 1);
	if (r == 0)
		r = mbedtls_pkcs5_pbkdf2_hmac(
			&md, (const unsigned char *)password, strlen(password),
			salt, salt_len, (unsigned int)iterations, sizeof(out),
			out);
	mbedtls_md_free(&md);
	if (r != 0)
		return err_set(e, EIO, "derive key: mbedtls error -0x%04x",
			       (unsigned int)-r);
	memcpy(ret->auth, out, sizeof(ret->auth));
	memcpy(ret->enc, out + sizeof(ret->auth), sizeof(ret->enc));
	mbedtls_platform_zeroize(out, sizeof(out));
	return 0;
}

void password_crypto_wipe_key(struct password_crypto_key *k)
{
	mbedtls_platform_zeroize(k, sizeof(*k));
}

static void compute_verifier(const uint8_t auth[32], uint8_t ret[HASH_SIZE])
{
	const struct hash_part label = { VERIFIER_LABEL,
					 strlen(VERIFIER_LABEL) };

	hash_hmac(auth, 32, &label, 1, ret);
}

void password_crypto_verifier(const struct password_crypto_key *k,
			      uint8_t ret[HASH_SIZE])
{
	compute_verifier(k->auth, ret);
}

/* Hides the key, and uncovers it again. */
static void mask_auth_key(const uint8_t verifier[HASH_SIZE], const char *over,
			  const void *pae, size_t pae_len,
			  const uint8_t in[HASH_SIZE], uint8_t ret[HASH_SIZE])
{
	const struct hash_part parts[] = { { over, strlen(over) },
					   { pae, pae_len } };

	hash_hmac(verifier, HASH_SIZE, parts, ARRAY_SIZE(parts), ret);
	for (size_t i = 0; i < HASH_SIZE; i++)
		ret[i] ^= in[i];
}

void password_crypto_make_proof(const struct password_crypto_key *k,
				const char *over, const void *pae,
				size_t pae_len, uint8_t ret[HASH_SIZE])
{
	uint8_t verifier[HASH_SIZE];

	password_crypto_verifier(k, verifier);
	mask_auth_key(verifier, over, pae, pae_len, k->auth, ret);
}

bool password_crypto_check_proof(const uint8_t verifier[HASH_SIZE],
				 const char *over, const void *pae,
				 size_t pae_len, const uint8_t proof[HASH_SIZE])
{
	uint8_t auth[HASH_SIZE], got[HASH_SIZE];

	mask_auth_key(verifier, over, pae, pae_len, proof, auth);
	compute_verifier(auth, got);
	mbedtls_platform_zeroize(auth, sizeof(auth));
	return hash_compare(got, verifier, sizeof(got)) == 0;
}

static int init_gcm_cipher(mbedtls_gcm_context *gcm, const uint8_t key[32])
{
	mbedtls_gcm_init(gcm);
	return mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, key, 256);
}

int password_crypto_encrypt(const uint8_t key[32],
			    const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			    const void *aad, size_t aad_len, const void *data,
			    size_t len, void **ret, size_t *ret_len,
			    struct err *e)
{
	auto_free uint8_t *out = malloc(len + PASSWORD_CRYPTO_TAG_SIZE);
	mbedtls_gcm_context gcm;
	int r;

	if (!out)
		return err_oom(e, "seal");
	r = init_gcm_cipher(&gcm, key);
	if (r == 0)
		r = mbedtls_gcm_crypt_and_tag(
			&gcm, MBEDTLS_GCM_ENCRYPT, len, nonce,
			PASSWORD_CRYPTO_NONCE_SIZE, aad, aad_len, data, out,
			PASSWORD_CRYPTO_TAG_SIZE, out + len);
	mbedtls_gcm_free(&gcm);
	if (r != 0)
		return err_set(e, EIO, "seal: mbedtls error -0x%04x",
			       (unsigned int)-r);
	*ret = steal(out);
	*ret_len = len + PASSWORD_CRYPTO_TAG_SIZE;
	return 0;
}

int password_crypto_decrypt_into(
	const uint8_t key[32], const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
	const void *aad, size_t aad_len, const void *data, size_t len,
	uint8_t *ret, struct err *e)
{
	const uint8_t *in = data;
	mbedtls_gcm_context gcm;
	size_t plain;
	int r;

	if (len < PASSWORD_CRYPTO_TAG_SIZE)
		return err_set(e, EACCES, "unseal: shorter than its tag");
	plain = len - PASSWORD_CRYPTO_TAG_SIZE;
	r = init_gcm_cipher(&gcm, key);
	if (r == 0)
		r = mbedtls_gcm_auth_decrypt(
			&gcm, plain, nonce, PASSWORD_CRYPTO_NONCE_SIZE, aad,
			aad_len, in + plain, PASSWORD_CRYPTO_TAG_SIZE, in, ret);
	mbedtls_gcm_free(&gcm);
	if (r == MBEDTLS_ERR_GCM_AUTH_FAILED)
		return err_set(e, EACCES,
			       "unseal: wrong password, or changed since");
	if (r != 0)
		return err_set(e, EIO, "unseal: mbedtls error -0x%04x",
			       (unsigned int)-r);
	return 0;
}

int password_crypto_decrypt(const uint8_t key[32],
			    const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			    const void *aad, size_t aad_len, const void *data,
			    size_t len, void **ret, size_t *ret_len,
			    struct err *e)
{
	auto_free uint8_t *out = malloc(len + 1);
	int r;

	if (!out)
		return err_oom(e, "unseal");
	r = password_crypto_decrypt_into(key, nonce, aad, aad_len, data, len,
					 out, e);
	if (r < 0)
		return r;
	*ret_len = len - PASSWORD_CRYPTO_TAG_SIZE;
	out[*ret_len] = '\0';
	*ret = steal(out);
	return 0;
}
