/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/receipt/pending.h"

#include "lib/log.h"

#include <string.h>

#define AUDIT_DELAY_USEC (200 * 1000)

void pending_fini(struct pending *p)
{
	p->timer = sd_event_source_unref(p->timer);
}

void pending_signal(const struct pending *p, const char *word)
{
	int r;

	if (!p->send)
		return;
	r = p->send(p->arg, word);
	if (r < 0)
		log_debug("signal Pending(%s): %s", word, strerror(-r));
}

static int on_audit_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	pending_signal(arg, "audit");
	return 0;
}

void pending_schedule_audit(struct pending *p)
{
	int on = SD_EVENT_OFF;

	if (!p->event)
		return;
	if (!p->timer) {
		sd_event_add_time_relative(p->event, &p->timer, CLOCK_MONOTONIC,
					   AUDIT_DELAY_USEC, 0, on_audit_timer,
					   p);
		return;
	}
	if (sd_event_source_get_enabled(p->timer, &on) < 0 ||
	    on != SD_EVENT_OFF)
		return;
	sd_event_source_set_time_relative(p->timer, AUDIT_DELAY_USEC);
	sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
}
