/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actions: signed commands and memberships on their way to a device. Done or
 * refused is only what a verified receipt says; nothing is inferred.
 */
#ifndef MGMT_SERVER_FLEET_COMMAND_H
#define MGMT_SERVER_FLEET_COMMAND_H

#include <stdint.h>

struct connections;
struct device_channel;
struct err;
struct receipt;
struct turn;

/* Times to live. */
int command_expire_due(struct turn *t, const struct connections *p,
		       struct err *e);
/* After a hello: everything that the device may not have yet. */
int command_send_unfinished(struct turn *t, struct device_channel *c,
			    struct err *e);
/* The agent says what became of an envelope: for display, and no more. */
int command_record_agent_outcome(struct turn *t, const char *device,
				 const char *sha256, const char *outcome,
				 const char *reason, const char *text,
				 struct err *e);
/* A verified receipt; `number` is its row. */
int command_apply_receipt(struct turn *t, struct connections *p,
			  const struct receipt *rc, int64_t number,
			  struct err *e);

#endif
