/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said on a device's channel: schema/ws/cells.v1.md. The device is who
 * its certificate says, whatever it writes.
 */
#ifndef MGMT_SERVER_FLEET_DEVICE_MESSAGES_H
#define MGMT_SERVER_FLEET_DEVICE_MESSAGES_H

#include <stddef.h>

struct device_channel;
struct err;
struct server;

/* -ENOENT: no such device, or a retired one. */
int device_messages_open(struct server *s, const char *device, void *connection,
			 struct device_channel **ret, struct err *e);
void device_messages_close(struct device_channel *c);
/* It has been replaced and is alive: two hold the device's key. */
void device_messages_report_duplicate(struct device_channel *c);

/* One message from the device. An error ends the connection. */
int device_messages_handle(struct device_channel *c, const char *text,
			   size_t len, struct err *e);
/* Makes a new snapshot if one is due, and sends it. */
int device_messages_send_snapshot(struct device_channel *c, struct err *e);

#endif
