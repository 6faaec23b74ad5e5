/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals of org.cells.Device1: what happens on the device is sent on the
 * bus, and what the audit must hear waits for who writes it (signal_queue.h).
 */
#ifndef CELLSD_BUS_BUS_SIGNAL_H
#define CELLSD_BUS_BUS_SIGNAL_H

#include <systemd/sd-bus.h>

struct bus_signal;
struct err;
struct host;
struct host_callbacks;

/* The bus outlives it. */
int bus_signal_new(sd_bus *bus, struct bus_signal **ret, struct err *e);
void bus_signal_free(struct bus_signal *s);

/* What lifecycle/ calls to report events. */
void bus_signal_get_callbacks(struct bus_signal *s, struct host_callbacks *ret);
/* The host that calls, once it is open: what it lacks is read from it. */
void bus_signal_set_host(struct bus_signal *s, struct host *h);

static inline void bus_signal_freep(struct bus_signal **s)
{
	bus_signal_free(*s);
}

#endif
