/* SPDX-License-Identifier: Apache-2.0 */
/* The devices that are connected now, by id, and those of them that wait for a
 * new snapshot to be signed. */
#ifndef MGMT_SERVER_CHANNEL_CONNECTIONS_H
#define MGMT_SERVER_CHANNEL_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct device_channel;
struct err;
struct connections;
struct turn;

/* Makes connected(id) known to SQL as well. */
int connections_new(struct turn *t, struct connections **ret, struct err *e);
void connections_free(struct connections *p);

/* NULL: not connected. */
struct device_channel *connections_find(const struct connections *p,
					const char *device);
/* A second connection of one device takes the place of the first. */
void connections_add(struct connections *p, struct device_channel *c);
void connections_remove(struct connections *p, struct device_channel *c);
/* Ends the device's channel, if it has one. */
void connections_close_device(struct connections *p, const char *device);

/* The device may need a new snapshot; NULL: every device may. */
void connections_mark_stale(struct connections *p, const char *device);

/* Ends each channel that has a message of that turn to send. */
void connections_abort_turn(struct connections *p, uint64_t turn);
/* Takes back each message from that number on. */
void connections_drop_queued(struct connections *p, uint64_t number);

/* Looks for snapshots that are getting old. */
void connections_mark_due_snapshots(struct connections *p);
/* Refreshes some of those that wait, and ends the channels of those where that
 * fails; true: there are more. */
typedef int connections_refresh_fn(struct device_channel *c, struct err *e);
bool connections_refresh_stale(struct connections *p,
			       connections_refresh_fn *refresh);

#endif
