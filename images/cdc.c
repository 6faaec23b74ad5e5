/* SPDX-License-Identifier: Apache-2.0 */
#include "images/cdc.h"

#include "lib/chunk.h"

/*
 * The high bits of a Gear hash depend on the last 64 bytes. 18 of them before
 * the wanted size of 2^16, 14 behind it: normalisation level 2 of the paper.
 */
#define TOP_BITS(n) (((UINT64_C(1) << (n)) - 1) << (64 - (n)))
#define MASK_BEFORE TOP_BITS(18)
#define MASK_BEHIND TOP_BITS(14)

/* SplitMix64 (Steele, Lea, Flood 2014): the table is the same everywhere. */
void cdc_init(struct cdc *c)
{
	uint64_t state = 0;

	for (unsigned int i = 0; i < 256; i++) {
		uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		c->gear[i] = z ^ (z >> 31);
	}
}

/* The first cut in (from, to] at which the mask is met; 0: none. */
static size_t find_cut_point(const struct cdc *c, const uint8_t *data,
			     size_t from, size_t to, uint64_t mask,
			     uint64_t *hash)
{
	uint64_t h = *hash;

	for (size_t i = from; i < to; i++) {
		h = (h << 1) + c->gear[data[i]];
		if (!(h & mask)) {
			*hash = h;
			return i + 1;
		}
	}
	*hash = h;
	return 0;
}

size_t cdc_chunk_length(const struct cdc *c, const uint8_t *data, size_t len)
{
	size_t wanted = CHUNK_SIZE_AVG, cut;
	uint64_t hash = 0;

	if (len <= CHUNK_SIZE_MIN)
		return len;
	if (len > CHUNK_SIZE_MAX)
		len = CHUNK_SIZE_MAX;
	if (wanted > len)
		wanted = len;
	cut = find_cut_point(c, data, CHUNK_SIZE_MIN, wanted, MASK_BEFORE,
			     &hash);
	if (!cut)
		cut = find_cut_point(c, data, wanted, len, MASK_BEHIND, &hash);
	return cut ? cut : len;
}
