/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timer of sd-event that can be restarted; it fires once for each start. Free
 * it like other sources, with sd_event_source_disable_unref().
 */
#ifndef LIB_TIMER_H
#define LIB_TIMER_H

#include <stdint.h>
#include <systemd/sd-event.h>
#include <time.h>

/* Creates the timer without starting it. Returns 0 or -errno. */
int timer_new(sd_event *loop, clockid_t clock, sd_event_time_handler_t fn,
	      void *arg, sd_event_source **ret);

/*
 * Starts the timer, to fire once after this number of microseconds. An earlier
 * start is cancelled.
 */
int timer_start(sd_event_source *t, uint64_t usec);

#endif
