/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said on a device's channel: schema/ws/cells.v1.md. The device is who
 * its certificate says, whatever it writes.
 */
#ifndef MGMT_SERVER_FLEET_DEVICE_MESSAGES_H
#define MGMT_SERVER_FLEET_DEVICE_MESSAGES_H

#include <stddef.h>

struct alarms;
struct connections;
struct device_channel;
struct err;
struct root_in_force;
struct snapshot_cache;
struct turn;

/* What handling them takes; borrowed, and outlives all channels. */
struct device_messages {
	struct turn *turn;
	const struct root_in_force *root;
	struct connections *connections;
	struct snapshot_cache *snapshots;
	struct alarms *alarms;
};

/* -ENOENT: no such device, or a retired one. */
int device_messages_open(const struct device_messages *m, const char *device,
			 void *connection, struct device_channel **ret,
			 struct err *e);
void device_messages_close(struct device_channel *c);
/* It has been replaced and is alive: two hold the device's key. */
void device_messages_report_duplicate(struct device_channel *c);

/* One message from the device. An error ends the connection. */
int device_messages_handle(struct device_channel *c, const char *text,
			   size_t len, struct err *e);
/* Makes a new snapshot if one is due, and sends it. */
int device_messages_send_snapshot(struct device_channel *c, struct err *e);

#endif
