/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One device's channel, without sockets: who it is, and the messages that wait
 * to be sent. What is said on it is device_messages.h's.
 */
#ifndef MGMT_DEVICE_CHANNEL_H
#define MGMT_DEVICE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"

struct err;
struct server;

#define DEVCHAN_MESSAGE_MAX (1024 * 1024)
#define DEVCHAN_QUEUE_MAX (4 * DEVCHAN_MESSAGE_MAX)

/* A message on its way out. */
struct devchan_out {
	struct devchan_out *next;
	uint64_t turn; /* it may go when that is committed */
	uint64_t number;
	size_t len, sent;
	char text[];
};

struct devchan {
	struct server *server;
	void *connection; /* the edge's */
	char device[24], epoch[33];
	bool hello, present, stale, closing;
	int64_t renew_at; /* when its snapshot is to be signed again */
	uint32_t root;	  /* version of the newest root it was sent */
	int64_t ids;	  /* counts our messages */
	struct devchan *next, *next_stale;
	struct devchan_out *out, **out_end;
	size_t queued;			   /* bytes in out */
	struct devchan_progress *progress; /* NULL: none reported */
};

int devchan_new(struct server *s, const char *device, const char *epoch,
		void *connection, struct devchan **ret, struct err *e);
void devchan_free(struct devchan *c);

/* Queues a message of that type; consumes j. */
int devchan_send(struct devchan *c, const char *type, json_t *j, struct err *e);
/* Sends a command, or asks to cancel one. */
int devchan_command(struct devchan *c, const char *envelope, const char *sha256,
		    struct err *e);
int devchan_cancel(struct devchan *c, const char *sha256, struct err *e);
/* A stored envelope as the object that messages carry. */
json_t *devchan_envelope(const char *text);

/* What may be sent now, or NULL; devchan_sent() ends it. */
struct devchan_out *devchan_peek(struct devchan *c);
void devchan_sent(struct devchan *c);
/* Is a message of that turn waiting? */
bool devchan_has(const struct devchan *c, uint64_t turn);
/* Takes back what was queued from that number on: in this turn, so that none
 * of it was sent. */
void devchan_unsend(struct devchan *c, uint64_t number);
/* Asks the edge to hang up: at once, or since another has its place. */
void devchan_close(struct devchan *c);
void devchan_replace(struct devchan *c);

/* How far the device's download is, as it says. */
int devchan_note(struct devchan *c, const char *image, int64_t done,
		 int64_t total, struct err *e);
/* {"image","done","total"} or null. */
json_t *devchan_progress(const struct devchan *c);

#endif
