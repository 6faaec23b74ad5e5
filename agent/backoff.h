/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delay before the next try: exponential with full jitter (a uniform random
 * value between 0 and a bound that doubles), so that devices that lost their
 * server do not all return at once. The server can set a minimum.
 */
#ifndef AGENT_BACKOFF_H
#define AGENT_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t first_ms, max_ms;
	unsigned int tries; /* since the last success */
	uint64_t floor_ms;  /* what the server asked for, once */
};

/* Returns the delay in milliseconds; `draw` is a random number. */
uint64_t backoff_next(struct backoff *b, uint32_t draw);

/* Sets the minimum of the next delay; the jitter is added to it. */
void backoff_at_least(struct backoff *b, unsigned int seconds);

/* Resets the delay after a success. */
void backoff_reset(struct backoff *b);

#endif
