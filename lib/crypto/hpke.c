/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/hpke.h"

#include "lib/auto.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/key.h"
#include "lib/err.h"

#include <assert.h>
#include <errno.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/gcm.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <string.h>

#define SECRET_SIZE 32 /* Ndh and Nsecret */
#define KEY_SIZE 32    /* Nk */
#define NONCE_SIZE 12  /* Nn */
#define TAG_SIZE (HPKE_OVERHEAD - HPKE_PUBLIC_KEY_SIZE)

#define VERSION_LABEL "HPKE-v1"
#define MODE_BASE 0

_Static_assert(HASH_SIZE == SECRET_SIZE && HASH_SIZE >= KEY_SIZE,
	       "one block of HKDF-Expand is not enough");

/* suite_id of 4.1 and of 5.1. */
static const struct hash_part kem_suite = { "KEM\x00\x10", 5 };
static const struct hash_part hpke_suite = { "HPKE\x00\x10\x00\x01\x00\x02",
					     10 };

static const struct hash_part nothing = { "", 0 };

/* Diffie-Hellman in P-256: a private key and the other's public key. */
struct key_exchange {
	mbedtls_ecp_group group;
	mbedtls_ecp_point point;
	mbedtls_mpi private_key, shared;
};

/* What one message is sealed with; the names are of 5.1. */
struct hpke_context {
	uint8_t key[KEY_SIZE], base_nonce[NONCE_SIZE];
};

static void key_exchange_init(struct key_exchange *x)
{
	mbedtls_ecp_group_init(&x->group);
	mbedtls_ecp_point_init(&x->point);
	mbedtls_mpi_init(&x->private_key);
	mbedtls_mpi_init(&x->shared);
}

/* mbedtls zeroes what it frees. */
static void key_exchange_fini(struct key_exchange *x)
{
	mbedtls_ecp_group_free(&x->group);
	mbedtls_ecp_point_free(&x->point);
	mbedtls_mpi_free(&x->private_key);
	mbedtls_mpi_free(&x->shared);
}

static void wipe_context(struct hpke_context *c)
{
	mbedtls_platform_zeroize(c, sizeof(*c));
}

/* ---- key derivation */

/* LabeledExtract() of 4: HKDF-Extract is one HMAC (RFC 5869, 2.2). */
static void extract_labeled(const struct hash_part *suite,
			    const struct hash_part *salt, const char *label,
			    const struct hash_part *ikm, uint8_t ret[HASH_SIZE])
{
	const struct hash_part parts[] = {
		{ VERSION_LABEL, strlen(VERSION_LABEL) },
		*suite,
		{ label, strlen(label) },
		*ikm,
	};

	hash_hmac(salt->data, salt->len, parts, ARRAY_SIZE(parts), ret);
}

/* LabeledExpand() of 4, up to HASH_SIZE bytes: the first and only block of
 * HKDF-Expand (RFC 5869, 2.3). */
static void expand_labeled(const struct hash_part *suite,
			   const uint8_t prk[HASH_SIZE], const char *label,
			   const struct hash_part *info, uint8_t *ret,
			   size_t len)
{
	const uint8_t length[2] = { 0, (uint8_t)len }, counter = 1;
	const struct hash_part parts[] = {
		{ length, sizeof(length) },
		{ VERSION_LABEL, strlen(VERSION_LABEL) },
		*suite,
		{ label, strlen(label) },
		*info,
		{ &counter, sizeof(counter) },
	};
	uint8_t block[HASH_SIZE];

	assert(len <= sizeof(block));
	hash_hmac(prk, HASH_SIZE, parts, ARRAY_SIZE(parts), block);
	memcpy(ret, block, len);
	mbedtls_platform_zeroize(block, sizeof(block));
}

/* ExtractAndExpand() of 4.1, by which the secret depends on both public keys.
 */
static void derive_shared_secret(const uint8_t dh[SECRET_SIZE],
				 const uint8_t enc[HPKE_PUBLIC_KEY_SIZE],
				 const uint8_t recipient[HPKE_PUBLIC_KEY_SIZE],
				 uint8_t ret[SECRET_SIZE])
{
	uint8_t kem_context[2 * HPKE_PUBLIC_KEY_SIZE], eae_prk[HASH_SIZE];

	memcpy(kem_context, enc, HPKE_PUBLIC_KEY_SIZE);
	memcpy(kem_context + HPKE_PUBLIC_KEY_SIZE, recipient,
	       HPKE_PUBLIC_KEY_SIZE);
	extract_labeled(&kem_suite, &nothing, "eae_prk",
			&(struct hash_part){ dh, SECRET_SIZE }, eae_prk);
	expand_labeled(&kem_suite, eae_prk, "shared_secret",
		       &(struct hash_part){ kem_context, sizeof(kem_context) },
		       ret, SECRET_SIZE);
	mbedtls_platform_zeroize(eae_prk, sizeof(eae_prk));
}

/* KeySchedule() of 5.1, in base mode: psk and psk_id are empty. */
static void derive_context(const uint8_t shared_secret[SECRET_SIZE],
			   const char *info, struct hpke_context *ret)
{
	uint8_t context[1 + 2 * HASH_SIZE] = { MODE_BASE }, secret[HASH_SIZE];
	const struct hash_part bound = { context, sizeof(context) };

	extract_labeled(&hpke_suite, &nothing, "psk_id_hash", &nothing,
			context + 1);
	extract_labeled(&hpke_suite, &nothing, "info_hash",
			&(struct hash_part){ info, strlen(info) },
			context + 1 + HASH_SIZE);
	extract_labeled(&hpke_suite,
			&(struct hash_part){ shared_secret, SECRET_SIZE },
			"secret", &nothing, secret);
	expand_labeled(&hpke_suite, secret, "key", &bound, ret->key,
		       sizeof(ret->key));
	expand_labeled(&hpke_suite, secret, "base_nonce", &bound,
		       ret->base_nonce, sizeof(ret->base_nonce));
	mbedtls_platform_zeroize(secret, sizeof(secret));
}

/* ---- key encapsulation */

static int generate_ephemeral_key(struct key_exchange *x,
				  uint8_t ret[HPKE_PUBLIC_KEY_SIZE])
{
	size_t len;
	int r = mbedtls_ecdh_gen_public(&x->group, &x->private_key, &x->point,
					key_rng, NULL);

	return r != 0 ? r
		      : mbedtls_ecp_point_write_binary(
				&x->group, &x->point,
				MBEDTLS_ECP_PF_UNCOMPRESSED, &len, ret,
				HPKE_PUBLIC_KEY_SIZE);
}

/* DH() of 4.1, after the other's public key is validated (7.1.4): a point of
 * the curve, and not the one at infinity. P-256 has no small subgroups. */
static int compute_dh(struct key_exchange *x, const mbedtls_mpi *private_key,
		      const uint8_t other[HPKE_PUBLIC_KEY_SIZE],
		      uint8_t ret[SECRET_SIZE])
{
	int r = mbedtls_ecp_point_read_binary(&x->group, &x->point, other,
					      HPKE_PUBLIC_KEY_SIZE);

	if (r == 0)
		r = mbedtls_ecp_check_pubkey(&x->group, &x->point);
	if (r == 0)
		r = mbedtls_ecdh_compute_shared(&x->group, &x->shared,
						&x->point, private_key, key_rng,
						NULL);
	return r != 0 ? r
		      : mbedtls_mpi_write_binary(&x->shared, ret, SECRET_SIZE);
}

/* SetupBaseS() of 5.1.1: a context for the message to `to`, and its enc. */
static int set_up_sender(const uint8_t to[HPKE_PUBLIC_KEY_SIZE],
			 const char *info,
			 uint8_t ret_enc[HPKE_PUBLIC_KEY_SIZE],
			 struct hpke_context *ret)
{
	AUTO(key_exchange_fini) struct key_exchange x;
	uint8_t dh[SECRET_SIZE], secret[SECRET_SIZE];
	int r;

	key_exchange_init(&x);
	r = mbedtls_ecp_group_load(&x.group, MBEDTLS_ECP_DP_SECP256R1);
	if (r == 0)
		r = generate_ephemeral_key(&x, ret_enc);
	if (r == 0)
		r = compute_dh(&x, &x.private_key, to, dh);
	if (r == 0) {
		derive_shared_secret(dh, ret_enc, to, secret);
		derive_context(secret, info, ret);
	}
	mbedtls_platform_zeroize(dh, sizeof(dh));
	mbedtls_platform_zeroize(secret, sizeof(secret));
	return r;
}

/* SetupBaseR() of 5.1.1. */
static int set_up_recipient(const struct key *k, const char *info,
			    const uint8_t enc[HPKE_PUBLIC_KEY_SIZE],
			    struct hpke_context *ret)
{
	AUTO(key_exchange_fini) struct key_exchange x;
	uint8_t dh[SECRET_SIZE], secret[SECRET_SIZE];
	uint8_t own[HPKE_PUBLIC_KEY_SIZE];
	int r;

	key_exchange_init(&x);
	hpke_public_key(k, own);
	r = mbedtls_ecp_group_load(&x.group, MBEDTLS_ECP_DP_SECP256R1);
	if (r == 0)
		r = compute_dh(&x, &mbedtls_pk_ec(*key_pk(k))->d, enc, dh);
	if (r == 0) {
		derive_shared_secret(dh, enc, own, secret);
		derive_context(secret, info, ret);
	}
	mbedtls_platform_zeroize(dh, sizeof(dh));
	mbedtls_platform_zeroize(secret, sizeof(secret));
	return r;
}

void hpke_public_key(const struct key *k, uint8_t ret[HPKE_PUBLIC_KEY_SIZE])
{
	size_t len;
	const uint8_t *spki = key_spki(k, &len);

	/* The point is the end of a P-256 SubjectPublicKeyInfo (RFC 5480). */
	assert(len > HPKE_PUBLIC_KEY_SIZE);
	memcpy(ret, spki + len - HPKE_PUBLIC_KEY_SIZE, HPKE_PUBLIC_KEY_SIZE);
}

/* ---- seal and open, of 6.1: a context's first message, so that its nonce is
 * base_nonce (5.2) */

static int encrypt_message(const struct hpke_context *c,
			   const struct hpke_part *aad,
			   const struct hpke_part *data, uint8_t *ret)
{
	mbedtls_gcm_context gcm;
	int r;

	mbedtls_gcm_init(&gcm);
	r = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, c->key,
			       8 * KEY_SIZE);
	if (r == 0)
		r = mbedtls_gcm_crypt_and_tag(
			&gcm, MBEDTLS_GCM_ENCRYPT, data->len, c->base_nonce,
			NONCE_SIZE, aad->data, aad->len, data->data, ret,
			TAG_SIZE, ret + data->len);
	mbedtls_gcm_free(&gcm);
	return r;
}

int hpke_seal(const uint8_t to[HPKE_PUBLIC_KEY_SIZE], const char *info,
	      const struct hpke_part *aad, const struct hpke_part *data,
	      uint8_t *ret, struct err *e)
{
	AUTO(wipe_context) struct hpke_context c = { 0 };
	int r = set_up_sender(to, info, ret, &c);

	if (r == 0)
		r = encrypt_message(&c, aad, data, ret + HPKE_PUBLIC_KEY_SIZE);
	return r == 0 ? 0
		      : err_set(e, EINVAL,
				"seal to a key: mbedtls error -0x%04x",
				(unsigned int)-r);
}

/* The tag is compared in constant time; on failure ret is zeroed. */
static int decrypt_message(const struct hpke_context *c,
			   const struct hpke_part *aad, const uint8_t *sealed,
			   size_t len, uint8_t *ret)
{
	mbedtls_gcm_context gcm;
	int r;

	mbedtls_gcm_init(&gcm);
	r = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, c->key,
			       8 * KEY_SIZE);
	if (r == 0)
		r = mbedtls_gcm_auth_decrypt(
			&gcm, len, c->base_nonce, NONCE_SIZE, aad->data,
			aad->len, sealed + len, TAG_SIZE, sealed, ret);
	mbedtls_gcm_free(&gcm);
	return r;
}

int hpke_open(const struct key *k, const char *info,
	      const struct hpke_part *aad, const struct hpke_part *sealed,
	      uint8_t *ret, struct err *e)
{
	AUTO(wipe_context) struct hpke_context c = { 0 };
	const uint8_t *enc = sealed->data;
	int r;

	if (sealed->len < HPKE_OVERHEAD)
		return err_set(e, EACCES, "open sealed bytes: only %zu bytes",
			       sealed->len);
	if (!key_is_private(k))
		return err_set(e, EACCES,
			       "open sealed bytes: the key is not private");
	r = set_up_recipient(k, info, enc, &c);
	if (r == 0)
		r = decrypt_message(&c, aad, enc + HPKE_PUBLIC_KEY_SIZE,
				    sealed->len - HPKE_OVERHEAD, ret);
	if (r == MBEDTLS_ERR_GCM_AUTH_FAILED)
		return err_set(e, EACCES,
			       "open sealed bytes: not sealed to this key and "
			       "for this purpose, or changed");
	return r == 0 ? 0
		      : err_set(e, EACCES,
				"open sealed bytes: mbedtls error -0x%04x",
				(unsigned int)-r);
}
