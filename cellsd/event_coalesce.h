/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal events of one process within a second: the first is told at once, the
 * others are counted and told together. None is dropped.
 */
#ifndef CELLSD_EVENT_COALESCE_H
#define CELLSD_EVENT_COALESCE_H

#include "cellsd/backend.h"

#define BURST_MAX 256

struct burst {
	struct {
		struct backend_event ev; /* count: not told yet */
		uint64_t end_ns;	 /* 0: free */
	} row[BURST_MAX];
};

/*
 * Is the event to be told now? With a full table each is. `now_ns`: of the
 * boot clock.
 */
bool burst_take(struct burst *b, const struct backend_event *ev,
		uint64_t now_ns);
/* Tells what was counted in bursts that are over; false: none is left. */
bool burst_flush(struct burst *b, uint64_t now_ns, backend_fn *fn, void *arg);

#endif
