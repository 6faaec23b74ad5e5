/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something sealed to the owner of an EC P-256 key, whom the sender need not
 * know otherwise:
 *
 *   ephemeral point (65 bytes, SEC 1, uncompressed) | ciphertext | tag (16)
 *
 * The ephemeral private key is used once. The shared secret is the x coordinate
 * of ECDH (NIST SP 800-56A, 5.7.1.2); HKDF-SHA256 (RFC 5869) with the salt
 * "ephemeral point | recipient's point" and a label for the purpose makes 44
 * bytes of it: an AES-256-GCM key (NIST SP 800-38D) and its nonce.
 */
#ifndef LIB_CRYPTO_ECIES_H
#define LIB_CRYPTO_ECIES_H

#include <stddef.h>
#include <stdint.h>

#define ECIES_POINT_SIZE 65
#define ECIES_OVERHEAD (ECIES_POINT_SIZE + 16)

/* Labels: a VP's data key to the organisation; and, sealed again, to a device.
 */
#define ECIES_RECOVERY "cells-recovery-slot"
#define ECIES_SEALED_KEY "cells-sealed-key"

struct err;
struct key;

struct ecies_part {
	const void *data;
	size_t len;
};

/* The public half as a point. */
void ecies_public_point(const struct key *k, uint8_t ret[ECIES_POINT_SIZE]);

/* ret has data->len + ECIES_OVERHEAD bytes. -EINVAL: no point of the curve. */
int ecies_encrypt(const uint8_t to[ECIES_POINT_SIZE], const char *label,
		  const struct ecies_part *aad, const struct ecies_part *data,
		  uint8_t *ret, struct err *e);

/* ret has box->len - ECIES_OVERHEAD bytes. -EACCES: not sealed to this key,
 * with this label and associated data, or changed since. */
int ecies_decrypt(const struct key *k, const char *label,
		  const struct ecies_part *aad, const struct ecies_part *box,
		  uint8_t *ret, struct err *e);

#endif
