/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions: signed commands and memberships on their way to a device. Done or
 * refused is only what a verified receipt says; nothing is inferred.
 */
#ifndef MGMT_COMMAND_H
#define MGMT_COMMAND_H

#include <stdint.h>

struct devchan;
struct err;
struct receipt;
struct server;

/* Times to live. */
int order_tick(struct server *s, struct err *e);
/* After a hello: everything that the device may not have yet. */
int order_send_open(struct devchan *c, struct err *e);
/* The agent says what became of an envelope: for display, and no more. */
int order_submitted(struct server *s, const char *device, const char *sha256,
		    const char *outcome, const char *reason, const char *text,
		    struct err *e);
/* A verified receipt; `number` is its row. */
int order_receipt(struct server *s, const struct receipt *rc, int64_t number,
		  struct err *e);

#endif
