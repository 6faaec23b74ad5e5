/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A real input device that is a source: to whom its events go, and which state
 * it has. What one devns sees in its place is a devns_virtual_input.
 *
 * Locks, outer first:
 *   devns_mutex > input core's own > devns_real_input.lock > real dev->mutex
 *     > real dev->event_lock > virtual dev->event_lock (a lockdep class of its
 * own) A virtual device's event lock is never held while the real device is
 * touched: what a devns writes goes to the real device by a work item.
 */
#ifndef DEVNS_REAL_INPUT_H
#define DEVNS_REAL_INPUT_H

#include <linux/input.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct devns_virtual_input;

struct devns_real_input {
	struct input_dev *dev; /* a reference */
	struct input_handler handler;
	struct input_handle handle;

	struct mutex lock;
	bool connected; /* under lock: the handle is there */
	bool grabbed;	/* under lock */
	bool only_ff;	/* a vibrator: its events are not our business */
	struct devns_virtual_input
		*ff_owner; /* under lock: whose effects the real one has */
	bool grab_wanted;  /* under devns_mutex: a devns is in front */
	struct delayed_work update_work;
	DECLARE_BITMAP(host_led, LED_CNT); /* under devns_mutex */

	/* Under the real device's event lock. */
	struct devns_virtual_input
		*front;	  /* who gets the events; NULL: nobody of us */
	bool resync;	  /* absolute axes before its first event */
	bool stale_touch; /* the finger was down before the switch */
	u32 slot;	  /* that the real device speaks of */
	unsigned long *stale_slots;  /* contacts from before the switch */
	unsigned long *resync_slots; /* send all of the next contact */
};

/* LEDs, sounds or force feedback of a virtual device changed. Any context. */
static inline void devns_real_input_schedule_update(struct devns_real_input *r)
{
	mod_delayed_work(system_highpri_wq, &r->update_work, 0);
}

#endif
