/* SPDX-License-Identifier: Apache-2.0 */
/*
 * <only> windows of policies open and close at their minute, also when somebody
 * sets the clock.
 */
#ifndef POLICYD_SCHEDULE_H
#define POLICYD_SCHEDULE_H

#include <systemd/sd-event.h>

struct document_set;
struct err;
struct schedule;
struct secure_time;

/* All borrowed. */
struct schedule_options {
	sd_event *event;
	const struct document_set *in_force;
	const struct secure_time *time;
	void (*changed)(void *arg); /* a window opened or closed */
	void *arg;
};

int schedule_new(const struct schedule_options *o, struct schedule **ret,
		 struct err *e);
void schedule_free(struct schedule *s);

/* The policies or the clock have changed: sets the timer to their next edge. */
/* NULL: does nothing. */
void schedule_arm_timer(struct schedule *s);

static inline void schedule_freep(struct schedule **s)
{
	schedule_free(*s);
}

#endif
