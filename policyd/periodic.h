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
struct periodic;

int periodic_new(struct policyd *p, struct periodic **ret, struct err *e);
void periodic_free(struct periodic *t);

static inline void periodic_freep(struct periodic **t)
{
	periodic_free(*t);
}

#endif
