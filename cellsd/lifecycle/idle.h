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

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct backend_node;
struct err;
struct host_callbacks;
struct idle;
struct vp;
struct vp_table;

typedef void idle_lock_fn(void *arg, struct vp *v);
struct idle_options {
	const struct vp_table *vps;
	const struct host_callbacks *callbacks;
	idle_lock_fn *lock;
	void *arg;
};
int idle_new(const struct idle_options *o, sd_event *loop, struct idle **ret,
	     struct err *e);
void idle_free(struct idle *i);

/* The hardware was listed again: watches the input nodes among these. */
void idle_watch_inputs(struct idle *i, const struct backend_node *nodes,
		       size_t n);

/* Somebody was here just now: a switch. */
void idle_record_activity(struct idle *i);
/* The user did something just now. */
void idle_record_input(struct idle *i);
/* The boot time of the last input in ns; 0: there was none since the start. */
uint64_t idle_get_input_ns(const struct idle *i);
/* Another VP is in front, or its config has changed. */
void idle_schedule_check(struct idle *i);

#endif
