/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long nobody has touched the device: by the input nodes of the hardware
 * (linux/input.h), of which only that something came is taken note of, and by
 * switches. A VP in front longer without than its idle-seconds is reported; the
 * policy daemon locks it, with a receipt. If that does not happen, the lock
 * that was given does.
 */
#ifndef CELLSD_LIFECYCLE_IDLE_H
#define CELLSD_LIFECYCLE_IDLE_H

#include <stdint.h>

struct err;
struct host;
struct idle;
struct vp;

typedef void idle_lock_fn(struct host *h, struct vp *v);
int idle_new(struct host *h, idle_lock_fn *lock, struct idle **ret,
	     struct err *e);
void idle_free(struct idle *i);

/* The hardware was listed again: watches its input nodes. */
void idle_watch_inputs(struct idle *i);

/* Somebody was here just now: a switch by the user. NULL is not an error. */
void idle_record_activity(struct idle *i);
/* Another VP is in front, or its config has changed. NULL is not an error. */
void idle_schedule_check(struct idle *i);

#endif
