/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One device's channel (schema/ws/cells.v1.md) without sockets: messages in,
 * messages out. The device is who its certificate says, whatever it writes.
 */
#ifndef MGMT_DEVCHAN_H
#define MGMT_DEVCHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"

struct err;
struct presence;
struct server;

#define DEVCHAN_MESSAGE_MAX (1024 * 1024)
#define DEVCHAN_QUEUE_MAX (4 * DEVCHAN_MESSAGE_MAX)

/* A message on its way out. */
struct devchan_out {
	struct devchan_out *next;
	uint64_t turn; /* it may go when that is committed */
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

/* -ENOENT: no such device, or a retired one. */
int devchan_new(struct server *s, const char *device, void *connection,
		struct devchan **ret, struct err *e);
void devchan_free(struct devchan *c);

/* One message from the device. An error ends the connection. */
int devchan_take(struct devchan *c, const char *text, size_t len,
		 struct err *e);

/* Queues a message of that type; consumes j. */
int devchan_send(struct devchan *c, const char *type, json_t *j, struct err *e);
/* Sends a command, or asks to cancel one. */
int devchan_command(struct devchan *c, const char *envelope, const char *sha256,
		    struct err *e);
int devchan_cancel(struct devchan *c, const char *sha256, struct err *e);
/* Makes a new snapshot if one is due, and sends it. */
int devchan_refresh(struct devchan *c, struct err *e);

/* What may be sent now, or NULL; devchan_sent() ends it. */
struct devchan_out *devchan_peek(struct devchan *c);
void devchan_sent(struct devchan *c);
/* Is a message of that turn waiting? */
bool devchan_has(const struct devchan *c, uint64_t turn);
/* Asks the edge to hang up. */
void devchan_close(struct devchan *c);

/* {"image","done","total"} or null. */
json_t *devchan_progress(const struct devchan *c);
/* Makes connected(id) known to SQL. */
int devchan_sql(struct server *s, struct presence *p, struct err *e);

#endif
