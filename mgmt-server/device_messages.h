/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said on a device's channel: schema/ws/cells.v1.md. The device is who
 * its certificate says, whatever it writes.
 */
#ifndef MGMT_DEVICE_MESSAGES_H
#define MGMT_DEVICE_MESSAGES_H

#include <stddef.h>

struct devchan;
struct err;
struct server;

/* -ENOENT: no such device, or a retired one. */
int devtalk_open(struct server *s, const char *device, void *connection,
		 struct devchan **ret, struct err *e);
void devtalk_close(struct devchan *c);
/* It has been replaced and is alive: two hold the device's key. */
void devtalk_twin(struct devchan *c);

/* One message from the device. An error ends the connection. */
int devtalk_take(struct devchan *c, const char *text, size_t len,
		 struct err *e);
/* Makes a new snapshot if one is due, and sends it. */
int devtalk_refresh(struct devchan *c, struct err *e);

#endif
