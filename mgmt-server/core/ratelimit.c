/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/ratelimit.h"

#include "lib/crypto/hash.h"
#include "lib/fnv.h"

#include <string.h>

#define NS 1e9

void ratelimit_init(struct ratelimit *l)
{
	memset(l, 0, sizeof(*l));
	hash_random(&l->seed, sizeof(l->seed));
}

/* From a random start, so that nobody can choose a neighbour. */
static unsigned int hash_bucket_key(const struct ratelimit *l, const char *key)
{
	uint64_t h = fnv_add(FNV_START ^ l->seed, key, strlen(key));

	return (unsigned int)(h >> 32) % RATELIMIT_BUCKETS;
}

bool ratelimit_allow(struct ratelimit *l, const char *key, double rate,
		     double burst, uint64_t now_ns)
{
	unsigned int i = hash_bucket_key(l, key);
	double tokens = burst;

	if (l->place[i].last_ns && now_ns >= l->place[i].last_ns) {
		tokens = l->place[i].tokens +
			 (double)(now_ns - l->place[i].last_ns) / NS * rate;
		if (tokens > burst)
			tokens = burst;
	}
	l->place[i].last_ns = now_ns;
	if (tokens < 1) {
		l->place[i].tokens = tokens;
		return false;
	}
	l->place[i].tokens = tokens - 1;
	return true;
}
