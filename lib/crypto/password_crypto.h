/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a password protects: PBKDF2-HMAC-SHA512 (RFC 8018) to 64 bytes, of which
 * the first half authenticates and the second encrypts with AES-256-GCM.
 */
#ifndef LIB_CRYPTO_PASSWORD_CRYPTO_H
#define LIB_CRYPTO_PASSWORD_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

#define PASSWORD_CRYPTO_ITERATIONS_MIN 210000
#define PASSWORD_CRYPTO_ITERATIONS_MAX 5000000
#define PASSWORD_CRYPTO_SALT_MIN 16
#define PASSWORD_CRYPTO_NONCE_SIZE 12
#define PASSWORD_CRYPTO_TAG_SIZE 16

struct err;

struct password_crypto_key {
	uint8_t auth[32];
	uint8_t enc[32];
};

/* -EINVAL: iterations or salt out of bounds (tested before any work). */
int password_crypto_derive_key(const char *password, const void *salt,
			       size_t salt_len, uint64_t iterations,
			       struct password_crypto_key *ret, struct err *e);
/* Zeroes it; a cleanup function as well: AUTO(password_crypto_wipe_key). */
void password_crypto_wipe_key(struct password_crypto_key *k);

/* HMAC-SHA256(auth, "cells-verifier"). */
void password_crypto_verifier(const struct password_crypto_key *k,
			      uint8_t ret[HASH_SIZE]);

/*
 * The proof of 10-policy, Passwords: that the author of the new document knew
 * the password of the config `over` ("sha256:<hex>"). A device holds the
 * verifier only, which says nothing about the key; so the proof is the key
 * itself, hidden under HMAC-SHA256(verifier, over || PAE), by which it fits
 * that one document only. It spends the protection of that one version of the
 * config, as a password used once does; its secrets have a key of their own.
 */
void password_crypto_make_proof(const struct password_crypto_key *k,
				const char *over, const void *pae,
				size_t pae_len, uint8_t ret[HASH_SIZE]);
bool password_crypto_check_proof(const uint8_t verifier[HASH_SIZE],
				 const char *over, const void *pae,
				 size_t pae_len,
				 const uint8_t proof[HASH_SIZE]);

/* AES-256-GCM; *ret is ciphertext and tag, the caller frees. */
int password_crypto_encrypt(const uint8_t key[32],
			    const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			    const void *aad, size_t aad_len, const void *data,
			    size_t len, void **ret, size_t *ret_len,
			    struct err *e);
/* -EACCES: not what was sealed with this key and associated data. */
int password_crypto_decrypt(const uint8_t key[32],
			    const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			    const void *aad, size_t aad_len, const void *data,
			    size_t len, void **ret, size_t *ret_len,
			    struct err *e);
/* The same into the caller's len - PASSWORD_CRYPTO_TAG_SIZE bytes: nothing is
 * copied. */
int password_crypto_decrypt_into(
	const uint8_t key[32], const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
	const void *aad, size_t aad_len, const void *data, size_t len,
	uint8_t *ret, struct err *e);

#endif
