/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <only> windows of policies open and close at their minute, also when somebody
 * sets the clock.
 */
#ifndef POLICYD_SCHEDULE_H
#define POLICYD_SCHEDULE_H

struct err;
struct policyd;
struct schedule;

int schedule_new(struct policyd *p, struct schedule **ret, struct err *e);
void schedule_free(struct schedule *s);

/* The policies or the clock have changed: sets the timer to their next edge. */
void schedule_arm_timer(struct policyd *p);

static inline void schedule_freep(struct schedule **s)
{
	schedule_free(*s);
}

#endif
