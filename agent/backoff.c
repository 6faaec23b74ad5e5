/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/backoff.h"

#define DOUBLINGS_MAX 20

uint64_t backoff_next(struct backoff *b, uint32_t draw)
{
	unsigned int n = b->tries < DOUBLINGS_MAX ? b->tries : DOUBLINGS_MAX;
	uint64_t bound = b->first_ms << n, wait;

	if (bound > b->max_ms)
		bound = b->max_ms;
	if (b->tries < DOUBLINGS_MAX)
		b->tries++;
	wait = b->floor_ms + (uint64_t)draw * (bound + 1) / (UINT32_MAX + 1ULL);
	b->floor_ms = 0;
	return wait;
}

void backoff_at_least(struct backoff *b, unsigned int seconds)
{
	b->floor_ms = (uint64_t)seconds * 1000;
}

void backoff_reset(struct backoff *b)
{
	b->tries = 0;
	b->floor_ms = 0;
}
