/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.cells.Device1 on the system bus (schema/dbus/org.cells.Device1.xml):
 * takes the typed calls apart, tests who calls, and tells what happened by
 * signals.
 */
#ifndef CELLSD_BUS_SERVICE_H
#define CELLSD_BUS_SERVICE_H

#include "cellsd/context.h"

struct devbus;
struct err;

/* Opens the device and offers it on the bus. */
int devbus_open(const struct host_options *o, struct devbus **ret,
		struct err *e);
void devbus_close(struct devbus *d);

static inline void devbus_closep(struct devbus **d)
{
	devbus_close(*d);
}

#endif
