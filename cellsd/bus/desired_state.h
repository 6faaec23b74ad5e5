/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of org.cells.Device1.Apply as a struct vp_table_desired. */
#ifndef CELLSD_BUS_DESIRED_STATE_H
#define CELLSD_BUS_DESIRED_STATE_H

#include <systemd/sd-bus.h>

struct err;
struct vp_table_desired;

/* Reads "ta(sa{sv})a(suybb)s"; everything is tested. *ret_cause is borrowed. */
int desired_state_read(sd_bus_message *m, struct vp_table_desired *ret,
		       const char **ret_cause, struct err *e);

#endif
