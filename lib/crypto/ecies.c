/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/ecies.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/err.h"

#include <assert.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/gcm.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <string.h>

#define COORDINATE 32
#define TAG 16

struct key_exchange {
	mbedtls_ecp_group group;
	mbedtls_ecp_point point;
	mbedtls_mpi own, shared;
};

struct ecies_key {
	uint8_t key[32], nonce[12];
};

static void key_exchange_init(struct key_exchange *x)
{
	mbedtls_ecp_group_init(&x->group);
	mbedtls_ecp_point_init(&x->point);
	mbedtls_mpi_init(&x->own);
	mbedtls_mpi_init(&x->shared);
}

static void key_exchange_fini(struct key_exchange *x)
{
	mbedtls_ecp_group_free(&x->group);
	mbedtls_ecp_point_free(&x->point);
	mbedtls_mpi_free(&x->own);
	mbedtls_mpi_free(&x->shared);
}

static void wipe_ecies_key(struct ecies_key *k)
{
	mbedtls_platform_zeroize(k, sizeof(*k));
}

/* The shared secret with a foreign point, which is tested. */
static int compute_shared_secret(struct key_exchange *x,
				 const uint8_t with[ECIES_POINT_SIZE],
				 const mbedtls_mpi *own)
{
	int r = mbedtls_ecp_point_read_binary(&x->group, &x->point, with,
					      ECIES_POINT_SIZE);

	if (r == 0)
		r = mbedtls_ecp_check_pubkey(&x->group, &x->point);
	if (r == 0)
		r = mbedtls_ecdh_compute_shared(&x->group, &x->shared,
						&x->point, own, key_rng, NULL);
	return r;
}

static int derive_ecies_key(const struct key_exchange *x, const char *label,
			    const uint8_t ephemeral[ECIES_POINT_SIZE],
			    const uint8_t recipient[ECIES_POINT_SIZE],
			    struct ecies_key *ret)
{
	uint8_t salt[2 * ECIES_POINT_SIZE], secret[COORDINATE];
	int r = mbedtls_mpi_write_binary(&x->shared, secret, sizeof(secret));

	memcpy(salt, ephemeral, ECIES_POINT_SIZE);
	memcpy(salt + ECIES_POINT_SIZE, recipient, ECIES_POINT_SIZE);
	if (r == 0)
		r = mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
				 salt, sizeof(salt), secret, sizeof(secret),
				 (const unsigned char *)label, strlen(label),
				 (unsigned char *)ret, sizeof(*ret));
	mbedtls_platform_zeroize(secret, sizeof(secret));
	return r;
}

static int report_ecies_error(struct err *e, const char *what, int r)
{
	return err_set(e, EINVAL, "%s: mbedtls error -0x%04x", what,
		       (unsigned int)-r);
}

void ecies_public_point(const struct key *k, uint8_t ret[ECIES_POINT_SIZE])
{
	size_t len;
	const uint8_t *spki = key_spki(k, &len);

	/* The point is the end of a P-256 SubjectPublicKeyInfo (RFC 5480). */
	assert(len > ECIES_POINT_SIZE);
	memcpy(ret, spki + len - ECIES_POINT_SIZE, ECIES_POINT_SIZE);
}

static int generate_ephemeral_key(struct key_exchange *x,
				  uint8_t ret[ECIES_POINT_SIZE])
{
	size_t len;
	int r = mbedtls_ecdh_gen_public(&x->group, &x->own, &x->point, key_rng,
					NULL);

	return r != 0 ? r
		      : mbedtls_ecp_point_write_binary(
				&x->group, &x->point,
				MBEDTLS_ECP_PF_UNCOMPRESSED, &len, ret,
				ECIES_POINT_SIZE);
}

int ecies_encrypt(const uint8_t to[ECIES_POINT_SIZE], const char *label,
		  const struct ecies_part *aad, const struct ecies_part *data,
		  uint8_t *ret, struct err *e)
{
	AUTO(key_exchange_fini) struct key_exchange x;
	AUTO(wipe_ecies_key) struct ecies_key k;
	uint8_t *sealed = ret + ECIES_POINT_SIZE;
	mbedtls_gcm_context gcm;
	int r;

	key_exchange_init(&x);
	r = mbedtls_ecp_group_load(&x.group, MBEDTLS_ECP_DP_SECP256R1);
	if (r == 0)
		r = generate_ephemeral_key(&x, ret);
	if (r == 0)
		r = compute_shared_secret(&x, to, &x.own);
	if (r == 0)
		r = derive_ecies_key(&x, label, ret, to, &k);
	if (r != 0)
		return report_ecies_error(e, "seal to a key", r);
	mbedtls_gcm_init(&gcm);
	r = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, k.key, 256);
	if (r == 0)
		r = mbedtls_gcm_crypt_and_tag(
			&gcm, MBEDTLS_GCM_ENCRYPT, data->len, k.nonce,
			sizeof(k.nonce), aad->data, aad->len, data->data,
			sealed, TAG, sealed + data->len);
	mbedtls_gcm_free(&gcm);
	return r != 0 ? report_ecies_error(e, "seal to a key", r) : 0;
}

static int decrypt_and_verify(const struct ecies_key *k,
			      const struct ecies_part *aad,
			      const struct ecies_part *box, uint8_t *ret,
			      struct err *e)
{
	const uint8_t *sealed = (const uint8_t *)box->data + ECIES_POINT_SIZE;
	size_t len = box->len - ECIES_OVERHEAD;
	mbedtls_gcm_context gcm;
	int r;

	mbedtls_gcm_init(&gcm);
	r = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, k->key, 256);
	if (r == 0)
		r = mbedtls_gcm_auth_decrypt(
			&gcm, len, k->nonce, sizeof(k->nonce), aad->data,
			aad->len, sealed + len, TAG, sealed, ret);
	mbedtls_gcm_free(&gcm);
	if (r == MBEDTLS_ERR_GCM_AUTH_FAILED)
		return err_set(e, EACCES,
			       "open what was sealed to a key: it is not for "
			       "this key or purpose");
	return r != 0 ? report_ecies_error(e, "open what was sealed to a key",
					   r)
		      : 0;
}

int ecies_decrypt(const struct key *k, const char *label,
		  const struct ecies_part *aad, const struct ecies_part *box,
		  uint8_t *ret, struct err *e)
{
	AUTO(key_exchange_fini) struct key_exchange x;
	AUTO(wipe_ecies_key) struct ecies_key derived;
	uint8_t own[ECIES_POINT_SIZE];
	int r;

	key_exchange_init(&x);
	if (box->len < ECIES_OVERHEAD || !key_is_private(k))
		return err_set(e, EACCES,
			       "open what was sealed to a key: %zu bytes",
			       box->len);
	ecies_public_point(k, own);
	r = mbedtls_ecp_group_load(&x.group, MBEDTLS_ECP_DP_SECP256R1);
	if (r == 0)
		r = compute_shared_secret(&x, box->data,
					  &mbedtls_pk_ec(*key_pk(k))->d);
	if (r == 0)
		r = derive_ecies_key(&x, label, box->data, own, &derived);
	if (r != 0)
		return err_set(e, EACCES,
			       "open what was sealed to a key: mbedtls error "
			       "-0x%04x",
			       (unsigned int)-r);
	return decrypt_and_verify(&derived, aad, box, ret, e);
}
