/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The REST interface as one table: method, path, right, handler. A test holds
 * schema/openapi.yaml against it.
 */
#ifndef MGMT_SERVER_API_ROUTE_H
#define MGMT_SERVER_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "mgmt-server/api/request.h"

struct err;

enum route_port { ROUTE_ADMIN = 1, ROUTE_DEVICE = 2, ROUTE_BOTH = 3 };
enum route_flag {
	ROUTE_ONCE = 1,	   /* honours Idempotency-Key */
	ROUTE_WS = 2,	   /* a WebSocket, opened by websocket.c */
	ROUTE_FILE = 4,	   /* the body goes to a file, by blob.c */
	ROUTE_QUIET = 8,   /* no write: leaves no audit entry */
	ROUTE_SMALL = 16,  /* a body of at most 64 KiB: anybody may send it */
	ROUTE_LAPSED = 32, /* also for a device whose certificate expired */
};

struct route {
	enum method method;
	const char *path; /* "{x}" matches one segment */
	enum right right;
	enum route_port port;
	unsigned int flags;
	const char *name; /* operationId: what the audit calls it */
	int (*handle)(struct request *rq, struct err *e);
};

extern const struct route route_table[];
extern const size_t route_count;

/*
 * Finds the route of rq->method and rq->path on the port and fills rq->param.
 * -PROBLEM_NOT_FOUND, -PROBLEM_METHOD.
 */
int route_find(struct request *rq, enum route_port port, struct err *e);

/*
 * Answers the request, whole: rights, Idempotency-Key, handler, audit. A body
 * must be there. The answer may be sent when the turn is committed. False: the
 * request is held; call again when something changed or its time is over, or,
 * if it is working, in the next turn.
 */
bool route_run_request(struct request *rq);

/* Rights alone, before a body is read: 0, or the answer is made (negative). */
int route_check_request(struct request *rq);

/* "GET /v1/devices read admin devices filter limit ..." a line, for the test.
 */
void route_print_table(void);

#endif
