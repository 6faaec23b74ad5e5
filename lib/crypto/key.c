/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/key.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <mbedtls/asn1.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <string.h>

#define PEM_MAX 4096

struct key {
	mbedtls_pk_context pk;
	bool is_private;
	char id[KEY_ID_SIZE];
	uint8_t spki[KEY_SPKI_MAX];
	size_t spki_len;
};

static int report_key_error(struct err *e, const char *what, int r)
{
	char why[96];

	mbedtls_strerror(r, why, sizeof(why));
	return err_set(e, r == MBEDTLS_ERR_PK_ALLOC_FAILED ? ENOMEM : EINVAL,
		       "%s: %s", what, why);
}

/* mbedtls asks for randomness in this shape; getrandom(2) needs no seeding. */
int key_rng(void *unused, unsigned char *ret, size_t len)
{
	hash_random(ret, len);
	return 0;
}

struct mbedtls_pk_context *key_pk(const struct key *k)
{
	/* mbedtls keeps tables of the curve in there, hence not const. */
	return (struct mbedtls_pk_context *)&k->pk;
}

static struct key *create_empty_key(void)
{
	struct key *k = calloc(1, sizeof(*k));

	if (k)
		mbedtls_pk_init(&k->pk);
	return k;
}

void key_free(struct key *k)
{
	if (k)
		mbedtls_pk_free(&k->pk);
	free(k);
}

/* What a parsed key has to be, and what follows from it. */
static int complete_parsed_key(struct key *k, bool is_private, struct err *e)
{
	uint8_t id[HASH_SIZE];
	int n;

	if (mbedtls_pk_get_type(&k->pk) != MBEDTLS_PK_ECKEY ||
	    mbedtls_pk_ec(k->pk)->grp.id != MBEDTLS_ECP_DP_SECP256R1)
		return err_set(e, EINVAL, "read key: it is not of EC P-256");
	if (is_private) {
		n = mbedtls_pk_check_pair(&k->pk, &k->pk);
		if (n != 0)
			return report_key_error(
				e, "read key: its halves do not match", n);
	}
	/* mbedtls writes from the buffer's end. */
	n = mbedtls_pk_write_pubkey_der(&k->pk, k->spki, sizeof(k->spki));
	if (n < 0)
		return report_key_error(e, "write public key", n);
	k->spki_len = (size_t)n;
	memmove(k->spki, k->spki + sizeof(k->spki) - k->spki_len, k->spki_len);
	hash_sha256(k->spki, k->spki_len, id);
	encoding_to_hex(id, sizeof(id), k->id);
	k->is_private = is_private;
	return 0;
}

int key_generate(struct key **ret, struct err *e)
{
	AUTO(key_freep) struct key *k = create_empty_key();
	int r;

	if (!k)
		return err_oom(e, "make key");
	r = mbedtls_pk_setup(&k->pk,
			     mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (r == 0)
		r = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1,
					mbedtls_pk_ec(k->pk), key_rng, NULL);
	if (r != 0)
		return report_key_error(e, "make key", r);
	r = complete_parsed_key(k, true, e);
	if (r < 0)
		return r;
	*ret = steal(k);
	return 0;
}

int key_from_spki(const void *der, size_t len, struct key **ret, struct err *e)
{
	AUTO(key_freep) struct key *k = create_empty_key();
	unsigned char copy[KEY_SPKI_MAX], *p = copy;
	int r;

	if (!k)
		return err_oom(e, "read public key");
	if (len > sizeof(copy))
		return err_set(e, EINVAL, "read public key: %zu bytes", len);
	memcpy(copy, der, len);
	r = mbedtls_pk_parse_subpubkey(&p, copy + len, &k->pk);
	if (r != 0)
		return report_key_error(e, "read public key", r);
	r = complete_parsed_key(k, false, e);
	if (r < 0)
		return r;
	/* A key has one id, so it may have one spelling only. */
	if (k->spki_len != len || memcmp(k->spki, der, len) != 0)
		return err_set(e, EINVAL, "read public key: it is not in DER");
	*ret = steal(k);
	return 0;
}

/* SEC1 or PKCS#8, DER, or PEM with its NUL counted. */
static int parse_private_key(const void *data, size_t len, struct key **ret,
			     struct err *e)
{
	AUTO(key_freep) struct key *k = create_empty_key();
	int r;

	if (!k)
		return err_oom(e, "read key");
	r = mbedtls_pk_parse_key(&k->pk, data, len, NULL, 0);
	if (r != 0)
		return report_key_error(e, "read key", r);
	r = complete_parsed_key(k, true, e);
	if (r < 0)
		return r;
	*ret = steal(k);
	return 0;
}

int key_from_pem(const char *pem, struct key **ret, struct err *e)
{
	size_t len = strlen(pem);
	int r;

	if (strstr(pem, "PRIVATE KEY-----"))
		return parse_private_key(pem, len + 1, ret, e);
	if (!strstr(pem, "-----BEGIN PUBLIC KEY-----"))
		return err_set(e, EINVAL, "read key: there is none in PEM");

	AUTO(key_freep) struct key *k = create_empty_key();

	if (!k)
		return err_oom(e, "read public key");
	r = mbedtls_pk_parse_public_key(&k->pk, (const unsigned char *)pem,
					len + 1);
	if (r != 0)
		return report_key_error(e, "read public key", r);
	r = complete_parsed_key(k, false, e);
	if (r < 0)
		return r;
	*ret = steal(k);
	return 0;
}

int key_to_pem(const struct key *k, bool with_private, char **ret,
	       struct err *e)
{
	unsigned char pem[PEM_MAX];
	int r;

	if (with_private && !k->is_private)
		return err_set(e, EINVAL, "write key %.16s: no private half",
			       k->id);
	r = with_private
		    ? mbedtls_pk_write_key_pem(key_pk(k), pem, sizeof(pem))
		    : mbedtls_pk_write_pubkey_pem(key_pk(k), pem, sizeof(pem));
	if (r != 0)
		return report_key_error(e, "write key", r);
	*ret = strdup((char *)pem);
	mbedtls_platform_zeroize(pem, sizeof(pem));
	return *ret ? 0 : err_oom(e, "write key");
}

int key_from_sec1(const void *der, size_t len, struct key **ret, struct err *e)
{
	return parse_private_key(der, len, ret, e);
}

int key_to_sec1(const struct key *k, uint8_t ret[KEY_SEC1_MAX], size_t *ret_len,
		struct err *e)
{
	int n;

	if (!k->is_private)
		return err_set(e, EINVAL, "write key %.16s: no private half",
			       k->id);
	n = mbedtls_pk_write_key_der(key_pk(k), ret, KEY_SEC1_MAX);
	if (n < 0)
		return report_key_error(e, "write key", n);
	memmove(ret, ret + KEY_SEC1_MAX - n, (size_t)n);
	*ret_len = (size_t)n;
	return 0;
}

bool key_is_private(const struct key *k)
{
	return k->is_private;
}

const char *key_id(const struct key *k)
{
	return k->id;
}

const void *key_spki(const struct key *k, size_t *ret_len)
{
	*ret_len = k->spki_len;
	return k->spki;
}

int key_sign(const struct key *k, const uint8_t digest[HASH_SIZE],
	     uint8_t *ret_sig, size_t *ret_len, struct err *e)
{
	uint8_t sig[MBEDTLS_ECDSA_MAX_LEN];
	size_t len;
	int r;

	if (!k->is_private)
		return err_set(e, EINVAL, "sign by key %.16s: no private half",
			       k->id);
	/* Deterministic (RFC 6979); the randomness blinds, nothing more. */
	r = mbedtls_ecdsa_write_signature(mbedtls_pk_ec(k->pk),
					  MBEDTLS_MD_SHA256, digest, HASH_SIZE,
					  sig, &len, key_rng, NULL);
	if (r != 0 || len > KEY_SIG_MAX)
		return err_set(e, EIO,
			       "sign by key %.16s: mbedtls error -0x%04x",
			       k->id, (unsigned int)-r);
	memcpy(ret_sig, sig, len);
	*ret_len = len;
	return 0;
}

/* One INTEGER above 0, in as few bytes as there can be; NULL: it is not. */
static const uint8_t *skip_der_integer(const uint8_t *p, const uint8_t *end)
{
	size_t len;

	if (end - p < 3 || p[0] != MBEDTLS_ASN1_INTEGER)
		return NULL;
	len = p[1];
	p += 2;
	if (len == 0 || (size_t)(end - p) < len || p[0] & 0x80)
		return NULL;
	if (p[0] == 0 && (len == 1 || !(p[1] & 0x80)))
		return NULL;
	return p + len;
}

/* Another spelling of a signature is none: no length of P-256 needs more than a
 * byte. */
static bool is_der_signature(const uint8_t *sig, size_t len)
{
	const uint8_t *end = sig + len, *p;

	if (len < 2 || len > KEY_SIG_MAX ||
	    sig[0] != (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE) ||
	    sig[1] != len - 2)
		return false;
	p = skip_der_integer(sig + 2, end);
	if (p)
		p = skip_der_integer(p, end);
	return p == end;
}

int key_verify(const struct key *k, const uint8_t digest[HASH_SIZE],
	       const void *sig, size_t sig_len)
{
	return is_der_signature(sig, sig_len) &&
			       mbedtls_ecdsa_read_signature(
				       mbedtls_pk_ec(k->pk), digest, HASH_SIZE,
				       sig, sig_len) == 0
		       ? 0
		       : -EKEYREJECTED;
}

static int save_key_file(const char *path, const struct key *k, struct err *e)
{
	auto_free char *pem = NULL;
	int r;

	r = key_to_pem(k, true, &pem, e);
	if (r < 0)
		return r;
	r = io_replace_file(path, pem, strlen(pem), 0600, e);
	mbedtls_platform_zeroize(pem, strlen(pem));
	return r;
}

static int create_key_file(const char *path, struct key **ret, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	int r;

	r = key_generate(&k, e);
	if (r < 0)
		return r;
	r = save_key_file(path, k, e);
	if (r < 0)
		return r;
	*ret = steal(k);
	return 0;
}

int key_open_file(const char *path, bool make, struct key **ret, struct err *e)
{
	auto_free char *pem = NULL;
	size_t len;
	int r;

	r = io_read_file(path, PEM_MAX, &pem, &len, e);
	if (r == -ENOENT && make)
		return create_key_file(path, ret, e);
	if (r < 0)
		return r;
	r = key_from_pem(pem, ret, e);
	mbedtls_platform_zeroize(pem, len);
	return r;
}
