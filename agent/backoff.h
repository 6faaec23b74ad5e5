/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long to wait before the next try: exponential with full jitter (a uniform
 * draw between 0 and the doubled bound), so that a fleet that lost its server
 * does not come back as one. The server may set a floor.
 */
#ifndef AGENT_BACKOFF_H
#define AGENT_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t first_ms, max_ms;
	unsigned int tries; /* since the last success */
	uint64_t floor_ms;  /* what the server asked for, once */
};

/* Milliseconds to wait; `draw` is a random number. */
uint64_t backoff_next(struct backoff *b, uint32_t draw);

/* The next wait is at least so long; its jitter comes on top. */
void backoff_at_least(struct backoff *b, unsigned int seconds);

/* It worked. */
void backoff_reset(struct backoff *b);

#endif
