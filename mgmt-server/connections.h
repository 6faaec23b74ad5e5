/* SPDX-License-Identifier: Apache-2.0 */
/* The devices that are connected now, by id, and those of them that wait for a
 * new snapshot to be signed. */
#ifndef MGMT_CONNECTIONS_H
#define MGMT_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct devchan;
struct err;
struct presence;
struct server;

/* Makes connected(id) known to SQL as well. */
int presence_new(struct server *s, struct presence **ret, struct err *e);
void presence_free(struct presence *p);

/* NULL: not connected. */
struct devchan *presence_find(const struct presence *p, const char *device);
/* A second connection of one device takes the place of the first. */
void presence_add(struct presence *p, struct devchan *c);
void presence_remove(struct presence *p, struct devchan *c);
/* Ends the device's channel, if it has one. */
void presence_drop(struct presence *p, const char *device);

/* The device may need a new snapshot; NULL: every device may. */
void presence_stale(struct presence *p, const char *device);

/* Ends each channel that has a message of that turn to send. */
void presence_cut(struct presence *p, uint64_t turn);
/* Takes back each message from that number on. */
void presence_unsend(struct presence *p, uint64_t number);

/* Looks for snapshots that are getting old. */
void presence_tick(struct presence *p);
/* Refreshes some of those that wait, and ends the channels of those where that
 * fails; true: there are more. */
typedef int presence_refresh_fn(struct devchan *c, struct err *e);
bool presence_work(struct presence *p, presence_refresh_fn *refresh);

#endif
