/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens by itself: <only> windows open and close at their minute, also
 * when somebody sets the clock; VPs that were offline too long are locked or
 * wiped; secure time is saved; what did not work is tried again.
 */
#ifndef POLICYD_TICKER_H
#define POLICYD_TICKER_H

struct err;
struct policyd;
struct ticker;

int ticker_new(struct policyd *p, struct ticker **ret, struct err *e);
void ticker_free(struct ticker *t);

/* The policies have changed: sets the timer to their next edge. */
void ticker_arm(struct policyd *p);

static inline void ticker_freep(struct ticker **t)
{
	ticker_free(*t);
}

#endif
