/* SPDX-License-Identifier: Apache-2.0 */
/* How those structs are read from messages and written to them, for the files
 * of this folder. Each function returns <0 as sd-bus does. */
#ifndef POLICYD_BUS_DEVICE_MESSAGES_INTERNAL_H
#define POLICYD_BUS_DEVICE_MESSAGES_INTERNAL_H

#include <systemd/sd-bus.h>

struct device_inventory;
struct device_revoked;
struct device_state;
struct device_vp;

/* Inventory's answer; the caller owns ret->classes, also after an error. */
int device_messages_read_inventory(sd_bus_message *m,
				   struct device_inventory *ret);
/* List's answer; rows are freed by device_messages_free_vps(), also after an
 * error. */
int device_messages_read_vps(sd_bus_message *m, struct device_vp **ret,
			     size_t *ret_n);
void device_messages_free_vps(struct device_vp *rows, size_t n);
/* a(suuuu); the caller frees *ret, also after an error. */
int device_messages_read_revoked(sd_bus_message *m, struct device_revoked **ret,
				 size_t *ret_n);

/* Apply's arguments. */
int device_messages_write_state(sd_bus_message *m,
				const struct device_state *s);

#endif
