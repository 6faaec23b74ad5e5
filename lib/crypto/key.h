/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EC P-256 keys: generation, storage, signing and verification. The signature
 * is ECDSA with SHA-256, ASN.1 DER (RFC 3279), as that of openssl dgst.
 */
#ifndef LIB_CRYPTO_KEY_H
#define LIB_CRYPTO_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

#define KEY_ID_SIZE 65	 /* hex SHA-256 of the SPKI DER, with the NUL */
#define KEY_SPKI_MAX 128 /* a P-256 SPKI has 91 bytes */
#define KEY_SIG_MAX 72
#define KEY_SEC1_MAX 256      /* a P-256 private key has 121 bytes */
#define KEY_PASSWORD_MIN 12   /* characters of a key file's password */
#define KEY_ITERATIONS 210000 /* of a new key file */

struct err;
struct key;

/* Generates a key, with random bytes of getrandom(2). */
int key_generate(struct key **ret, struct err *e);
void key_free(struct key *k);

/*
 * Reads the public half, a SubjectPublicKeyInfo (RFC 5480). -EINVAL: it is not
 * a P-256 key.
 */
int key_from_spki(const void *der, size_t len, struct key **ret, struct err *e);

/*
 * Reads a PEM key: SEC1 or PKCS#8, private or public. -EINVAL: it is not a
 * P-256 key.
 */
int key_from_pem(const char *pem, struct key **ret, struct err *e);
/*
 * Writes SEC1 or SPKI. The caller frees *ret, and zeroes it first if it is
 * private. -EINVAL: there is no private half.
 */
int key_to_pem(const struct key *k, bool with_private, char **ret,
	       struct err *e);

/* SEC1 DER (RFC 5915); the caller wipes it. */
int key_from_sec1(const void *der, size_t len, struct key **ret, struct err *e);
int key_to_sec1(const struct key *k, uint8_t ret[KEY_SEC1_MAX], size_t *ret_len,
		struct err *e);

bool key_is_private(const struct key *k);
/* Borrowed; valid as long as the key. */
const char *key_id(const struct key *k);
const void *key_spki(const struct key *k, size_t *ret_len);

/* ret_sig has KEY_SIG_MAX bytes. -EINVAL: there is no private half. */
int key_sign(const struct key *k, const uint8_t digest[HASH_SIZE],
	     uint8_t *ret_sig, size_t *ret_len, struct err *e);
/* 0, or -EKEYREJECTED. The signature is DER (X.690): it has one spelling. */
int key_verify(const struct key *k, const uint8_t digest[HASH_SIZE],
	       const void *sig, size_t sig_len);

/*
 * Loads an unencrypted PEM file (mode 0600) with a daemon's own key. With
 * `make`, creates the file durably if it does not exist.
 */
int key_open_file(const char *path, bool make, struct key **ret, struct err *e);

/*
 * Key files of people, cells-key(5): JSON
 *   {"format":1,"type":"cells-key","name":S,"spki":BASE64,
 *    "kdf":"pbkdf2-hmac-sha512","iterations":N,"salt":BASE64,
 *    "cipher":"aes-256-gcm","nonce":BASE64,"sealed":BASE64(SEC1 DER, tag)}
 * The associated data of the seal is "cells-key\n<name>\n<keyid>".
 */
int key_file_encrypt(const struct key *k, const char *name,
		     const char *password, char **ret_json, struct err *e);
/* `password` NULL: the public half only. -EACCES: wrong password. *ret_name is
 * the caller's to free; may be NULL. */
int key_file_decrypt(const char *json, size_t len, const char *password,
		     struct key **ret, char **ret_name, struct err *e);

/*
 * For other files of lib/ that use mbedtls: the key, and getrandom(2) as a
 * random function of mbedtls.
 */
struct mbedtls_pk_context;
struct mbedtls_pk_context *key_pk(const struct key *k);
int key_rng(void *unused, unsigned char *ret, size_t len);

static inline void key_freep(struct key **k)
{
	key_free(*k);
}

#endif
