/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of org.cells.Device1 that list what there is. */
#ifndef CELLSD_BUS_BUS_QUERY_H
#define CELLSD_BUS_BUS_QUERY_H

#include <systemd/sd-bus.h>

struct err;
struct host;

/* Each answers the call m; returns 1 or a negative errno. */
int bus_query_list_vps(struct host *h, sd_bus_message *m, struct err *e);
int bus_query_inventory(struct host *h, sd_bus_message *m, struct err *e);
int bus_query_status(struct host *h, sd_bus_message *m, struct err *e);

#endif
