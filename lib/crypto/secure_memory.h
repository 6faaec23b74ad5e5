/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for a key or passcode: a separate page that is not swapped (mlock(2)),
 * not dumped and not inherited by children, and that is zeroed when freed.
 */
#ifndef LIB_CRYPTO_SECURE_MEMORY_H
#define LIB_CRYPTO_SECURE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define SECURE_MEMORY_MAX 4088

struct err;

struct secure_memory {
	size_t len;
	uint8_t bytes[SECURE_MEMORY_MAX];
};

/* Allocates memory whose bytes are 0. */
int secure_memory_new(struct secure_memory **ret, struct err *e);
void secure_memory_free(struct secure_memory *s);

/*
 * Creates a sealed memfd(2) with these bytes, which nobody can change. The
 * caller closes it. Returns -errno on failure.
 */
int secure_memory_create_memfd(const void *data, size_t len);

static inline void secure_memory_freep(struct secure_memory **s)
{
	secure_memory_free(*s);
}

#endif
