/* SPDX-License-Identifier: Apache-2.0 */
/* Key files of people: key_file_encrypt() and key_file_decrypt() of key.h. */
#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/crypto/password_crypto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"

#include <ctype.h>
#include <mbedtls/platform_util.h>
#include <stdio.h>
#include <string.h>

#define FORMAT 1
#define TYPE "cells-key"
#define KDF "pbkdf2-hmac-sha512"
#define CIPHER "aes-256-gcm"
#define FILE_MAX 8192
#define SALT_SIZE 32
#define SALT_MAX 64
#define NAME_MAX_LEN 64
#define AAD_SIZE 160

/* Strings are borrowed from the JSON. */
struct key_file_fields {
	const char *type, *name, *spki, *kdf, *salt, *cipher, *nonce, *sealed;
	int64_t format, iterations;
};

/* UTF-8: each character has one byte that is not a continuation. */
static size_t count_utf8_characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* As the root's XSD has it: it will be there. */
static bool is_valid_key_name(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > NAME_MAX_LEN || !isalnum((unsigned char)s[0]))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr(" ._@-", *s))
			return false;
	return true;
}

static size_t format_key_aad(const char *name, const char *keyid,
			     char aad[AAD_SIZE])
{
	return (size_t)snprintf(aad, AAD_SIZE, TYPE "\n%s\n%s", name, keyid);
}

static int encrypt_private_key(const struct key *k, const char *name,
			       const struct password_crypto_key *sk,
			       const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			       char **ret_b64, struct err *e)
{
	uint8_t der[KEY_SEC1_MAX];
	auto_free void *sealed = NULL;
	size_t der_len, sealed_len, aad_len;
	char aad[AAD_SIZE];
	int r;

	r = key_to_sec1(k, der, &der_len, e);
	if (r < 0)
		return r;
	aad_len = format_key_aad(name, key_id(k), aad);
	r = password_crypto_encrypt(sk->enc, nonce, aad, aad_len, der, der_len,
				    &sealed, &sealed_len, e);
	mbedtls_platform_zeroize(der, sizeof(der));
	if (r < 0)
		return r;
	*ret_b64 = encoding_to_base64(sealed, sealed_len);
	return *ret_b64 ? 0 : err_oom(e, "seal key");
}

int key_file_encrypt(const struct key *k, const char *name,
		     const char *password, char **ret_json, struct err *e)
{
	uint8_t salt[SALT_SIZE], nonce[PASSWORD_CRYPTO_NONCE_SIZE];
	auto_free char *spki64 = NULL, *salt64 = NULL, *nonce64 = NULL;
	auto_free char *sealed64 = NULL;
	AUTO(password_crypto_wipe_key) struct password_crypto_key sk = { 0 };
	auto_json json_t *j = NULL;
	const void *spki;
	size_t spki_len;
	int r;

	if (!is_valid_key_name(name))
		return err_set(e, EINVAL, "seal key: name '%.70s' is not valid",
			       name);
	if (count_utf8_characters(password) < KEY_PASSWORD_MIN)
		return err_set(e, EINVAL,
			       "seal key '%s': the password has under %d "
			       "characters",
			       name, KEY_PASSWORD_MIN);
	hash_random(salt, sizeof(salt));
	hash_random(nonce, sizeof(nonce));
	r = password_crypto_derive_key(password, salt, sizeof(salt),
				       KEY_ITERATIONS, &sk, e);
	if (r < 0)
		return r;
	r = encrypt_private_key(k, name, &sk, nonce, &sealed64, e);
	if (r < 0)
		return r;
	spki = key_spki(k, &spki_len);
	spki64 = encoding_to_base64(spki, spki_len);
	salt64 = encoding_to_base64(salt, sizeof(salt));
	nonce64 = encoding_to_base64(nonce, sizeof(nonce));
	if (!spki64 || !salt64 || !nonce64)
		return err_oom(e, "seal key");
	j = json_pack("{si ss ss ss ss si ss ss ss ss}", "format", FORMAT,
		      "type", TYPE, "name", name, "spki", spki64, "kdf", KDF,
		      "iterations", KEY_ITERATIONS, "salt", salt64, "cipher",
		      CIPHER, "nonce", nonce64, "sealed", sealed64);
	*ret_json = j ? json_text(j) : NULL;
	return *ret_json ? 0 : err_oom(e, "seal key");
}

static int read_key_file_fields(json_t *j, struct key_file_fields *f,
				struct err *e)
{
	const struct json_member table[] = {
		{ "format", JSON_INTEGER, false, &f->format },
		{ "type", JSON_STRING, false, &f->type },
		{ "name", JSON_STRING, false, &f->name },
		{ "spki", JSON_STRING, false, &f->spki },
		{ "kdf", JSON_STRING, false, &f->kdf },
		{ "iterations", JSON_INTEGER, false, &f->iterations },
		{ "salt", JSON_STRING, false, &f->salt },
		{ "cipher", JSON_STRING, false, &f->cipher },
		{ "nonce", JSON_STRING, false, &f->nonce },
		{ "sealed", JSON_STRING, false, &f->sealed },
		{ NULL },
	};
	int r;

	r = json_read_object(j, table, true, "key file", e);
	if (r < 0)
		return r;
	if (f->format != FORMAT || strcmp(f->type, TYPE) != 0)
		return err_set(e, EINVAL, "key file: not a %s of format %d",
			       TYPE, FORMAT);
	if (strcmp(f->kdf, KDF) != 0 || strcmp(f->cipher, CIPHER) != 0)
		return err_set(e, EINVAL, "key file: only %s and %s are known",
			       KDF, CIPHER);
	if (!is_valid_key_name(f->name))
		return err_set(e, EINVAL, "key file: name '%.70s' is not valid",
			       f->name);
	return 0;
}

static int decode_base64_field(const char *name, const char *b64, size_t min,
			       size_t max, void **ret, size_t *ret_len,
			       struct err *e)
{
	auto_free void *data = NULL;
	size_t len;
	int r;

	r = encoding_from_base64(b64, strlen(b64), &data, &len);
	if (r == -ENOMEM)
		return err_oom(e, "key file");
	if (r < 0 || len < min || len > max)
		return err_set(e, EINVAL,
			       "key file: '%s' is not base64 of %zu to %zu "
			       "bytes",
			       name, min, max);
	*ret = steal(data);
	*ret_len = len;
	return 0;
}

static int decode_public_key(const struct key_file_fields *f, struct key **ret,
			     struct err *e)
{
	auto_free void *spki = NULL;
	size_t len;
	int r;

	r = decode_base64_field("spki", f->spki, 1, KEY_SPKI_MAX, &spki, &len,
				e);
	if (r < 0)
		return r;
	return key_from_spki(spki, len, ret, e);
}

/* The private key, if the password opens it and it is that of `public`. */
static int decrypt_private_key(const struct key_file_fields *f,
			       const struct key *public, const char *password,
			       struct key **ret, struct err *e)
{
	auto_free void *salt = NULL, *nonce = NULL, *sealed = NULL, *der = NULL;
	size_t salt_len, nonce_len, sealed_len, der_len, aad_len;
	AUTO(password_crypto_wipe_key) struct password_crypto_key sk = { 0 };
	AUTO(key_freep) struct key *k = NULL;
	char aad[AAD_SIZE];
	int r;

	r = decode_base64_field("salt", f->salt, PASSWORD_CRYPTO_SALT_MIN,
				SALT_MAX, &salt, &salt_len, e);
	if (r < 0)
		return r;
	r = decode_base64_field("nonce", f->nonce, PASSWORD_CRYPTO_NONCE_SIZE,
				PASSWORD_CRYPTO_NONCE_SIZE, &nonce, &nonce_len,
				e);
	if (r < 0)
		return r;
	r = decode_base64_field("sealed", f->sealed, PASSWORD_CRYPTO_TAG_SIZE,
				KEY_SEC1_MAX + PASSWORD_CRYPTO_TAG_SIZE,
				&sealed, &sealed_len, e);
	if (r < 0)
		return r;
	r = password_crypto_derive_key(password, salt, salt_len,
				       (uint64_t)f->iterations, &sk, e);
	if (r < 0)
		return r;
	aad_len = format_key_aad(f->name, key_id(public), aad);
	r = password_crypto_decrypt(sk.enc, nonce, aad, aad_len, sealed,
				    sealed_len, &der, &der_len, e);
	if (r < 0)
		return r;
	r = key_from_sec1(der, der_len, &k, e);
	mbedtls_platform_zeroize(der, der_len);
	if (r < 0)
		return r;
	if (strcmp(key_id(k), key_id(public)) != 0)
		return err_set(e, EINVAL,
			       "key file: the sealed key is another one");
	*ret = steal(k);
	return 0;
}

int key_file_decrypt(const char *json, size_t len, const char *password,
		     struct key **ret, char **ret_name, struct err *e)
{
	AUTO(key_freep) struct key *public = NULL, *private = NULL;
	auto_json json_t *j = NULL;
	auto_free char *name = NULL;
	struct key_file_fields f = { 0 };
	int r;

	if (len > FILE_MAX)
		return err_set(e, EFBIG, "key file: %zu bytes are too many",
			       len);
	r = json_parse(json, len, "key file", &j, e);
	if (r < 0)
		return r;
	r = read_key_file_fields(j, &f, e);
	if (r < 0)
		return r;
	r = decode_public_key(&f, &public, e);
	if (r < 0)
		return r;
	if (password) {
		r = decrypt_private_key(&f, public, password, &private, e);
		if (r < 0)
			return r;
	}
	name = strdup(f.name);
	if (!name)
		return err_oom(e, "key file");
	*ret = private ? steal(private) : steal(public);
	if (ret_name)
		*ret_name = steal(name);
	return 0;
}
