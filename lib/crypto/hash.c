/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/crypto/hash.h"

#include "lib/auto.h"

#include <mbedtls/hkdf.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/sha256.h>
#include <string.h>
#include <sys/random.h>

#define BLOCK_SIZE 64 /* of SHA-256 */
#define READ_SIZE (64 * 1024)

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct hash),
	       "a SHA-256 of mbedtls does not fit in struct hash");

static mbedtls_sha256_context *get_sha256_context(struct hash *h)
{
	return (mbedtls_sha256_context *)h->state;
}

/*
 * The _ret functions fail only in hardware that replaces mbedtls's own SHA-256,
 * which no build of ours has.
 */
void hash_init(struct hash *h)
{
	mbedtls_sha256_init(get_sha256_context(h));
	mbedtls_sha256_starts_ret(get_sha256_context(h), 0);
}

struct hash *hash_new(void)
{
	struct hash *h = malloc(sizeof(*h));

	if (h)
		hash_init(h);
	return h;
}

void hash_free(struct hash *h)
{
	if (h)
		mbedtls_sha256_free(get_sha256_context(h));
	free(h);
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	mbedtls_sha256_update_ret(get_sha256_context(h), data, len);
}

void hash_end(struct hash *h, uint8_t ret[HASH_SIZE])
{
	mbedtls_sha256_finish_ret(get_sha256_context(h), ret);
}

void hash_sha256(const void *data, size_t len, uint8_t ret[HASH_SIZE])
{
	mbedtls_sha256_ret(data, len, ret, 0);
}

int hash_fd(int fd, uint8_t ret[HASH_SIZE])
{
	auto_free uint8_t *buffer = malloc(READ_SIZE);
	struct hash h;

	if (!buffer)
		return -ENOMEM;
	hash_init(&h);
	for (;;) {
		ssize_t n = read(fd, buffer, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		hash_add(&h, buffer, (size_t)n);
	}
	hash_end(&h, ret);
	return 0;
}

/* On the stack rather than by mbedtls_md, which allocates and so could fail. */
void hash_hmac(const void *key, size_t key_len, const struct hash_part *parts,
	       size_t n, uint8_t ret[HASH_SIZE])
{
	uint8_t inner[BLOCK_SIZE] = { 0 }, outer[BLOCK_SIZE];
	struct hash h;

	if (key_len > BLOCK_SIZE)
		hash_sha256(key, key_len, inner);
	else if (key_len > 0)
		memcpy(inner, key, key_len);
	for (unsigned int i = 0; i < BLOCK_SIZE; i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	hash_init(&h);
	hash_add(&h, inner, sizeof(inner));
	for (size_t i = 0; i < n; i++)
		hash_add(&h, parts[i].data, parts[i].len);
	hash_end(&h, ret);
	hash_init(&h);
	hash_add(&h, outer, sizeof(outer));
	hash_add(&h, ret, HASH_SIZE);
	hash_end(&h, ret);
	mbedtls_sha256_free(get_sha256_context(&h));
	mbedtls_platform_zeroize(inner, sizeof(inner));
	mbedtls_platform_zeroize(outer, sizeof(outer));
}

int hash_hkdf512(const void *key, size_t key_len, const void *info,
		 size_t info_len, void *ret, size_t len)
{
	return mbedtls_hkdf(mbedtls_md_info_from_type(MBEDTLS_MD_SHA512), NULL,
			    0, key, key_len, info, info_len, ret, len) == 0
		       ? 0
		       : -ENOMEM;
}

int hash_compare(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t differs = 0;

	for (size_t i = 0; i < len; i++)
		differs |= x[i] ^ y[i];
	return differs;
}

void hash_random(void *ret, size_t len)
{
	uint8_t *p = ret;

	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		/* Without flags there is no other failure (getrandom(2)). */
		if (n <= 0)
			abort();
		p += n;
		len -= (size_t)n;
	}
}
