/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/event_coalesce.h"

#include <string.h>

#define EVENT_COALESCE_NS 1000000000ULL

static bool is_same_event(const struct backend_event *a,
			  const struct backend_event *b)
{
	return a->vp == b->vp && a->classes == b->classes && a->pid == b->pid &&
	       strcmp(a->event, b->event) == 0;
}

bool event_coalesce_add(struct event_coalesce *b,
			const struct backend_event *ev, uint64_t now_ns)
{
	int room = -1;

	for (int i = 0; i < EVENT_COALESCE_MAX; i++) {
		if (!b->row[i].end_ns) {
			room = i;
			continue;
		}
		if (!is_same_event(&b->row[i].ev, ev))
			continue;
		b->row[i].ev.count += ev->count;
		return false;
	}
	if (room >= 0) {
		b->row[room].ev = *ev;
		b->row[room].ev.count = 0;
		b->row[room].end_ns = now_ns + EVENT_COALESCE_NS;
	}
	return true;
}

bool event_coalesce_flush(struct event_coalesce *b, uint64_t now_ns,
			  backend_event_fn *fn, void *arg)
{
	bool left = false;

	for (int i = 0; i < EVENT_COALESCE_MAX; i++) {
		if (!b->row[i].end_ns)
			continue;
		if (b->row[i].end_ns > now_ns) {
			left = true;
			continue;
		}
		b->row[i].end_ns = 0;
		if (b->row[i].ev.count > 0)
			fn(arg, &b->row[i].ev);
	}
	return left;
}
