/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens by itself, every few seconds: VPs that were offline too long are
 * locked or wiped; secure time is saved; a clock that was set is noted; what
 * did not work is tried again.
 */
#ifndef POLICYD_PERIODIC_H
#define POLICYD_PERIODIC_H

struct err;
struct policyd;
struct ticker;

int ticker_new(struct policyd *p, struct ticker **ret, struct err *e);
void ticker_free(struct ticker *t);

static inline void ticker_freep(struct ticker **t)
{
	ticker_free(*t);
}

#endif
