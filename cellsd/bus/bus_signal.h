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
struct host_callbacks;
struct vp_data;
struct vp_table;

/* The bus outlives it. */
int bus_signal_new(sd_bus *bus, struct bus_signal **ret, struct err *e);
void bus_signal_free(struct bus_signal *s);

/* What lifecycle/ calls to report events. */
void bus_signal_get_callbacks(struct bus_signal *s, struct host_callbacks *ret);
/* The VPs, once they are open: what they lack is read from them. */
void bus_signal_set_vps(struct bus_signal *s, const struct vp_table *vps,
			struct vp_data *data);

static inline void bus_signal_freep(struct bus_signal **s)
{
	bus_signal_free(*s);
}

#endif
