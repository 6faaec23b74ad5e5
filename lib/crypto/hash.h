/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104) and random bytes, with mbedtls.
 */
#ifndef LIB_CRYPTO_HASH_H
#define LIB_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SIZE 32

/*
 * The state of a SHA-256 computation, on the stack (hash_init) or the heap
 * (hash_new).
 */
struct hash {
	uint64_t state[16]; /* mbedtls's, for hash.c only */
};

void hash_init(struct hash *h);
struct hash *hash_new(void); /* NULL: no memory */
void hash_free(struct hash *h);
void hash_add(struct hash *h, const void *data, size_t len);
void hash_end(struct hash *h, uint8_t ret[HASH_SIZE]);

/* Hashes one buffer. */
void hash_sha256(const void *data, size_t len, uint8_t ret[HASH_SIZE]);

/*
 * Hashes the rest of the file fd from its current offset. Returns 0 or -errno.
 */
int hash_fd(int fd, uint8_t ret[HASH_SIZE]);

/* HMAC-SHA256 of the concatenated parts. */
struct hash_part {
	const void *data;
	size_t len;
};
void hash_hmac(const void *key, size_t key_len, const struct hash_part *parts,
	       size_t n, uint8_t ret[HASH_SIZE]);

/* HKDF-SHA512 (RFC 5869) without a salt; at most 255 * 64 bytes. 0 or -ENOMEM.
 */
int hash_hkdf512(const void *key, size_t key_len, const void *info,
		 size_t info_len, void *ret, size_t len);

/* Compares in constant time. Returns 0 if the bytes are equal. */
int hash_compare(const void *a, const void *b, size_t len);

/* Fills from getrandom(2); cannot fail. */
void hash_random(void *ret, size_t len);

static inline void hash_freep(struct hash **h)
{
	hash_free(*h);
}

#endif
