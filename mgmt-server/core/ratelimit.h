/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates: token buckets in a table of fixed size. Two keys that fall on one
 * place share it, which makes a limit stricter, never laxer.
 */
#ifndef MGMT_SERVER_CORE_RATELIMIT_H
#define MGMT_SERVER_CORE_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define RATELIMIT_BUCKETS 4096

struct ratelimit {
	uint64_t seed;
	struct {
		uint64_t last_ns;
		double tokens;
	} place[RATELIMIT_BUCKETS];
};

void ratelimit_init(struct ratelimit *l);

/* Takes one token of `key`, who gets `rate` a second and may save `burst`. */
bool ratelimit_allow(struct ratelimit *l, const char *key, double rate,
		     double burst, uint64_t now_ns);

#endif
