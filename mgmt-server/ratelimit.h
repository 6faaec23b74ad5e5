/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates: token buckets in a table of fixed size. Two keys that fall on one
 * place share it, which makes a limit stricter, never laxer.
 */
#ifndef MGMT_RATELIMIT_H
#define MGMT_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_PLACES 4096

struct limit {
	uint64_t seed;
	struct {
		uint64_t last_ns;
		double tokens;
	} place[LIMIT_PLACES];
};

void limit_init(struct limit *l);

/* Takes one token of `key`, who gets `rate` a second and may save `burst`. */
bool limit_take(struct limit *l, const char *key, double rate, double burst,
		uint64_t now_ns);

#endif
