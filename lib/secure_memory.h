/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key or passcode in memory: on a page of its own that is not swapped
 * (mlock(2)), not dumped and not given to children, and zeroed when freed.
 */
#ifndef LIB_SECURE_MEMORY_H
#define LIB_SECURE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_MAX 4088

struct err;

struct secret {
	size_t len;
	uint8_t bytes[SECRET_MAX];
};

/* Empty; the bytes are 0. */
int secret_new(struct secret **ret, struct err *e);
void secret_free(struct secret *s);

/*
 * A sealed memfd(2) with these bytes, which the caller closes, so that who gets
 * it reads what was meant; -errno.
 */
int secret_memfd(const void *data, size_t len);

static inline void secret_freep(struct secret **s)
{
	secret_free(*s);
}

#endif
