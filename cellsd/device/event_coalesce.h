/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal events of one process within a second: the first is reported at once,
 * the others are counted and reported together. None is dropped.
 */
#ifndef CELLSD_DEVICE_EVENT_COALESCE_H
#define CELLSD_DEVICE_EVENT_COALESCE_H

#include "cellsd/device/backend.h"

#define EVENT_COALESCE_MAX 256

struct event_coalesce {
	struct {
		struct backend_event ev; /* count: not reported yet */
		uint64_t end_ns;	 /* 0: free */
	} row[EVENT_COALESCE_MAX];
};

/*
 * Is the event to be reported now? With a full table each is. `now_ns`: of the
 * boot clock.
 */
bool event_coalesce_add(struct event_coalesce *b,
			const struct backend_event *ev, uint64_t now_ns);
/* Reports what was counted in bursts that are over; false: none is left. */
bool event_coalesce_flush(struct event_coalesce *b, uint64_t now_ns,
			  backend_event_fn *fn, void *arg);

#endif
