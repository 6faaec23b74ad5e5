/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protection with a password: PBKDF2-HMAC-SHA512 (RFC 8018) derives 64 bytes.
 * The first half authenticates, and the second half encrypts with AES-256-GCM.
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

/*
 * -EINVAL: iterations or salt are out of bounds (checked before the
 * computation).
 */
int password_crypto_derive_key(const char *password, const void *salt,
			       size_t salt_len, uint64_t iterations,
			       struct password_crypto_key *ret, struct err *e);
/*
 * Zeroes the key. It is also a cleanup function:
 * AUTO(password_crypto_wipe_key).
 */
void password_crypto_wipe_key(struct password_crypto_key *k);

/* HMAC-SHA256(auth, "cells-verifier"). */
void password_crypto_verifier(const struct password_crypto_key *k,
			      uint8_t ret[HASH_SIZE]);

/*
 * The proof of 10-policy, Passwords: the author of the new document knew the
 * password of the config `over` ("sha256:<hex>"). A device has only the
 * verifier, which reveals nothing about the key. The proof is therefore the key
 * itself, XORed with HMAC-SHA256(verifier, over || PAE), so that it is valid
 * for that document only. It reveals the authentication key of that version of
 * the config, as the use of a password does; the secrets have another key.
 */
void password_crypto_make_proof(const struct password_crypto_key *k,
				const char *over, const void *pae,
				size_t pae_len, uint8_t ret[HASH_SIZE]);
bool password_crypto_check_proof(const uint8_t verifier[HASH_SIZE],
				 const char *over, const void *pae,
				 size_t pae_len,
				 const uint8_t proof[HASH_SIZE]);

/*
 * Encrypts with AES-256-GCM; *ret is the ciphertext and the tag, which the
 * caller frees.
 */
int password_crypto_encrypt(const uint8_t key[32],
			    const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			    const void *aad, size_t aad_len, const void *data,
			    size_t len, void **ret, size_t *ret_len,
			    struct err *e);
/* -EACCES: the input was not encrypted with this key and associated data. */
int password_crypto_decrypt(const uint8_t key[32],
			    const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
			    const void *aad, size_t aad_len, const void *data,
			    size_t len, void **ret, size_t *ret_len,
			    struct err *e);
/*
 * The same into a buffer of the caller with len - PASSWORD_CRYPTO_TAG_SIZE
 * bytes; no copy is made.
 */
int password_crypto_decrypt_into(
	const uint8_t key[32], const uint8_t nonce[PASSWORD_CRYPTO_NONCE_SIZE],
	const void *aad, size_t aad_len, const void *data, size_t len,
	uint8_t *ret, struct err *e);

#endif
