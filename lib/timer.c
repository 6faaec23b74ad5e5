/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/timer.h"

int timer_new(sd_event *loop, clockid_t clock, sd_event_time_handler_t fn,
	      void *arg, sd_event_source **ret)
{
	sd_event_source *t = NULL;
	int r = sd_event_add_time_relative(loop, &t, clock, 0, 0, fn, arg);

	if (r >= 0)
		r = sd_event_source_set_enabled(t, SD_EVENT_OFF);
	if (r < 0) {
		sd_event_source_disable_unref(t);
		return r;
	}
	*ret = t;
	return 0;
}

int timer_start(sd_event_source *t, uint64_t usec)
{
	int r = sd_event_source_set_time_relative(t, usec);

	return r < 0 ? r : sd_event_source_set_enabled(t, SD_EVENT_ONESHOT);
}
