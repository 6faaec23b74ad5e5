/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timer of sd-event that is started again and again; it fires once each time.
 * It is freed as other sources are: sd_event_source_disable_unref().
 */
#ifndef LIB_TIMER_H
#define LIB_TIMER_H

#include <stdint.h>
#include <systemd/sd-event.h>
#include <time.h>

/* Makes it; it is not started. Returns 0 or -errno. */
int timer_new(sd_event *loop, clockid_t clock, sd_event_time_handler_t fn,
	      void *arg, sd_event_source **ret);

/* Fires once in so many microseconds, and not when it would have before. */
int timer_start(sd_event_source *t, uint64_t usec);

#endif
