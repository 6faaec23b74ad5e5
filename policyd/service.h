/* SPDX-License-Identifier: Apache-2.0 */
/* org.cells.Policy1 on the bus: schema/dbus/org.cells.Policy1.xml. */
#ifndef POLICYD_SERVICE_H
#define POLICYD_SERVICE_H

struct err;
struct policyd;

/* Offers the interface, then takes the name. */
int service_open(struct policyd *p, struct err *e);

#endif
