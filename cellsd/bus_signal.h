/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals of org.cells.Device1: what happens on the device is told on the
 * bus, and what the audit must hear waits for who writes it (signal_queue.h).
 */
#ifndef CELLSD_BUS_SIGNAL_H
#define CELLSD_BUS_SIGNAL_H

#include <systemd/sd-bus.h>

struct devsignal;
struct err;
struct host;
struct host_watch;

/* The bus outlives it. */
int devsignal_new(sd_bus *bus, struct devsignal **ret, struct err *e);
void devsignal_free(struct devsignal *s);

/* What a device calls to be heard. */
void devsignal_watch(struct devsignal *s, struct host_watch *ret);
/* The device that calls, once it is open: of it is told what it lacks. */
void devsignal_set_host(struct devsignal *s, struct host *h);

static inline void devsignal_freep(struct devsignal **s)
{
	devsignal_free(*s);
}

#endif
