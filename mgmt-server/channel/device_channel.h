/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One device's channel, without sockets: who it is, and the messages that wait
 * to be sent. What is said on it is device_messages.h's.
 */
#ifndef MGMT_SERVER_CHANNEL_DEVICE_CHANNEL_H
#define MGMT_SERVER_CHANNEL_DEVICE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"

struct err;
struct turn;

#define DEVICE_CHANNEL_MESSAGE_MAX (1024 * 1024)
#define DEVICE_CHANNEL_QUEUE_MAX (4 * DEVICE_CHANNEL_MESSAGE_MAX)

/* A message on its way out. */
struct device_channel_message {
	struct device_channel_message *next;
	uint64_t turn; /* it may go when that is committed */
	uint64_t number;
	size_t len, sent;
	char text[];
};

struct device_channel {
	struct turn *turn;
	const void *handler; /* of its messages: device_messages.h */
	void *connection;    /* the listener's */
	char device[24], epoch[33];
	bool hello, present, stale, closing;
	int64_t renew_at; /* when its snapshot is to be signed again */
	uint32_t root;	  /* version of the newest root it was sent */
	int64_t ids;	  /* counts our messages */
	struct device_channel *next, *next_stale;
	struct device_channel_message *out, **out_end;
	size_t queued;				  /* bytes in out */
	struct device_channel_progress *progress; /* NULL: none reported */
};

int device_channel_new(struct turn *t, const char *device, const char *epoch,
		       const void *handler, void *connection,
		       struct device_channel **ret, struct err *e);
void device_channel_free(struct device_channel *c);

/* Queues a message of that type; consumes j. */
int device_channel_send(struct device_channel *c, const char *type, json_t *j,
			struct err *e);
/* Sends a command, or asks to cancel one. */
int device_channel_send_command(struct device_channel *c, const char *envelope,
				const char *sha256, struct err *e);
int device_channel_send_cancel(struct device_channel *c, const char *sha256,
			       struct err *e);
/* A stored envelope as the object that messages carry. */
json_t *device_channel_parse_envelope(const char *text);

/* What may be sent now, or NULL; device_channel_remove_sent() ends it. */
struct device_channel_message *
device_channel_peek_message(struct device_channel *c);
void device_channel_remove_sent(struct device_channel *c);
/* Is a message of that turn waiting? */
bool device_channel_has_message(const struct device_channel *c, uint64_t turn);
/* Takes back what was queued from that number on: in this turn, so that none
 * of it was sent. */
void device_channel_drop_queued(struct device_channel *c, uint64_t number);
/* Asks the listener to hang up: at once, or since another has its place. */
void device_channel_close(struct device_channel *c);
void device_channel_replace(struct device_channel *c);

/* How far the device's download is, as it says. */
int device_channel_set_progress(struct device_channel *c, const char *image,
				int64_t done, int64_t total, struct err *e);
/* {"image","done","total"} or null. */
json_t *device_channel_build_progress(const struct device_channel *c);

#endif
