/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/policyd.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "lib/err.h"
#include "lib/log.h"

#include <string.h>

#define SOON_USEC (200 * 1000)

int64_t policyd_get_presumed_time(const struct policyd *p)
{
	return secure_time_get_presumed(&p->time, clock_boot_ns());
}

int64_t policyd_get_confirmed_time(const struct policyd *p)
{
	return secure_time_get_confirmed(&p->time, clock_boot_ns());
}

int64_t policyd_get_record_time(const struct policyd *p)
{
	int64_t wall = clock_wall(), secure = policyd_get_presumed_time(p);

	return wall > secure ? wall : secure;
}

int policyd_save_time(struct policyd *p, struct err *e)
{
	char text[SECURE_TIME_TEXT_SIZE];

	secure_time_format(&p->time, clock_boot_ns(), clock_wall(), text);
	return store_set_text(p->store, STORE_TIME, text, e);
}

const struct doc_root *policyd_get_root(const struct policyd *p)
{
	return doc_as_root(p->root);
}

void policyd_signal_pending(struct policyd *p, const char *what)
{
	int r;

	if (!p->bus)
		return;
	r = sd_bus_emit_signal(p->bus, BUS_POLICY_PATH, BUS_POLICY_NAME,
			       "Pending", "s", what);
	if (r < 0)
		log_debug("signal Pending(%s): %s", what, strerror(-r));
}

static int on_pending_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	policyd_signal_pending(arg, "audit");
	return 0;
}

void policyd_schedule_pending(struct policyd *p)
{
	int on = SD_EVENT_OFF;

	if (!p->event)
		return;
	if (!p->soon) {
		sd_event_add_time_relative(p->event, &p->soon, CLOCK_MONOTONIC,
					   SOON_USEC, 0, on_pending_timer, p);
		return;
	}
	if (sd_event_source_get_enabled(p->soon, &on) < 0 || on != SD_EVENT_OFF)
		return;
	sd_event_source_set_time_relative(p->soon, SOON_USEC);
	sd_event_source_set_enabled(p->soon, SD_EVENT_ONESHOT);
}

void policyd_unload(struct policyd *p)
{
	doc_free(p->root);
	p->root = NULL;
	key_free(p->key);
	p->key = NULL;
	p->device_id[0] = p->epoch[0] = p->org[0] = '\0';
	document_set_fini(&p->staged_docs);
	document_set_fini(&p->force);
	free(p->snapshot);
	free(p->staged);
	p->snapshot = p->staged = NULL;
	p->staged_blocked = false;
	p->window.until_ns = 0;
}
