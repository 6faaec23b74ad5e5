/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the input kind share: a mux is a source, one real input
 * device; a view is the input device that one devns sees in its place.
 *
 * Locks, outer first:
 *   devns_mutex > input core's own > mux->lock > real->mutex
 *     > real->event_lock > view's event_lock (a lockdep class of its own)
 * A view's event lock is never held while the real device is touched: what a
 * devns writes goes to the real device by a work item.
 */
#ifndef MUX_H
#define MUX_H

#include <linux/input.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct cdev;
struct devns_endpoint;
struct force_feedback;

struct virtual_input {
	struct mux *mux;
	struct input_dev *dev;
	struct force_feedback *force; /* NULL: it has none */
	dev_t node;		      /* of its event device */
	struct path path;	      /* how its endpoint opens that */
	struct cdev *shut;	      /* what others find under the number */
	int sound[SND_CNT]; /* what was written last, under the event lock */
	char name[128];
	char phys[32];
};

struct mux {
	struct input_dev *real; /* a reference */
	struct input_handler handler;
	struct input_handle handle;

	struct mutex lock;
	bool connected;	 /* under lock: the handle is there */
	bool grabbed;	 /* under lock */
	bool only_force; /* a vibrator: its events are not our business */
	struct virtual_input
		*forced; /* under lock: whose effects the real one has */
	bool wanted;	 /* under devns_mutex: a devns is in front */
	struct delayed_work settle;
	DECLARE_BITMAP(host_led, LED_CNT); /* under devns_mutex */

	/* Under the real device's event lock. */
	struct virtual_input
		*front;	  /* who gets the events; NULL: nobody of us */
	bool resync;	  /* absolute axes before its first event */
	bool stale_touch; /* the finger was down before the switch */
	u32 slot;	  /* that the real device speaks of */
	unsigned long *stale_slots;  /* contacts from before the switch */
	unsigned long *resync_slots; /* send all of the next contact */
};

/* A view's lights, sounds or force changed. Any context. */
static inline void mux_schedule_update(struct mux *mux)
{
	mod_delayed_work(system_highpri_wq, &mux->settle, 0);
}

#endif
