/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hybrid Public Key Encryption (RFC 9180): encrypts bytes to the owner of an EC
 * P-256 key. The sender needs only the public half.
 *
 * There is one suite, in base mode, with one message for each context (6.1,
 * Single-Shot): DHKEM(P-256, HKDF-SHA256) 0x0010, HKDF-SHA256 0x0001,
 * AES-256-GCM 0x0002. The result is
 *
 *   enc (65 bytes) | ciphertext, as long as the plaintext | tag (16 bytes)
 *
 * where enc is the ephemeral public key. Public keys are uncompressed points
 * (SEC 1, 2.3.3). Each is validated as 7.1.4 requires before it is used.
 */
#ifndef LIB_CRYPTO_HPKE_H
#define LIB_CRYPTO_HPKE_H

#include <stddef.h>
#include <stdint.h>

#define HPKE_PUBLIC_KEY_SIZE 65 /* Npk and Nenc of 7.1 */
#define HPKE_OVERHEAD (HPKE_PUBLIC_KEY_SIZE + 16)

struct err;
struct key;

struct hpke_part {
	const void *data; /* may be NULL if len is 0 */
	size_t len;
};

/* The public half as a point. */
void hpke_public_key(const struct key *k, uint8_t ret[HPKE_PUBLIC_KEY_SIZE]);

/*
 * Encrypts `data`. Each kind of message has its own `info`, and `aad`
 * identifies the object of the data. The result contains neither, so the
 * recipient must know both. ret has data->len + HPKE_OVERHEAD bytes, and is
 * undefined on failure. -EINVAL: `to` is not a point of the curve.
 */
int hpke_seal(const uint8_t to[HPKE_PUBLIC_KEY_SIZE], const char *info,
	      const struct hpke_part *aad, const struct hpke_part *data,
	      uint8_t *ret, struct err *e);

/*
 * Decrypts with the private key `k`. ret has sealed->len - HPKE_OVERHEAD bytes,
 * and is zeroed or unchanged on failure. -EACCES: the input is shorter than
 * HPKE_OVERHEAD, enc is not a point of the curve, `k` has no private half, or
 * the input was not encrypted to this key with this info and aad, or was
 * changed.
 */
int hpke_open(const struct key *k, const char *info,
	      const struct hpke_part *aad, const struct hpke_part *sealed,
	      uint8_t *ret, struct err *e);

#endif
