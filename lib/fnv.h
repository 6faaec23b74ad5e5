/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FNV-1a with 64 bits, for hash tables: use the upper half. If an attacker
 * could choose keys that collide, start with FNV_START ^ a random number.
 * http://www.isthe.com/chongo/tech/comp/fnv/
 */
#ifndef LIB_FNV_H
#define LIB_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t fnv_add(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

#endif
