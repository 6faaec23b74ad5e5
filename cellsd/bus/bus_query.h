/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of org.cells.Device1 that list what there is. */
#ifndef CELLSD_BUS_BUS_QUERY_H
#define CELLSD_BUS_BUS_QUERY_H

#include <systemd/sd-bus.h>

struct err;
struct device_state;
struct unsupported_facts;
struct vp_data;
struct vp_table;

/* Each answers the call m; returns 1 or a negative errno. */
int bus_query_list_vps(const struct vp_table *vps, struct vp_data *data,
		       sd_bus_message *m, struct err *e);
int bus_query_inventory(const struct device_state *d, sd_bus_message *m,
			struct err *e);
int bus_query_status(const struct unsupported_facts *f, sd_bus_message *m,
		     struct err *e);

#endif
