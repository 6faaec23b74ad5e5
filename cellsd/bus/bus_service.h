/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.cells.Device1 on the system bus (schema/dbus/org.cells.Device1.xml):
 * takes the typed calls apart, checks who calls, and reports what happened by
 * signals.
 */
#ifndef CELLSD_BUS_BUS_SERVICE_H
#define CELLSD_BUS_BUS_SERVICE_H

struct bus_service;
struct err;
struct host_options;

/* Opens the daemon (daemon.h) and offers it on the bus. */
int bus_service_open(const struct host_options *o, struct bus_service **ret,
		     struct err *e);
void bus_service_close(struct bus_service *d);

static inline void bus_service_closep(struct bus_service **d)
{
	bus_service_close(*d);
}

#endif
