/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.cells.Policy1 on the bus: schema/dbus/org.cells.Policy1.xml. This file
 * checks who may call a method; handlers implement the methods.
 */
#ifndef POLICYD_BUS_SERVICE_H
#define POLICYD_BUS_SERVICE_H

#include <stddef.h>
#include <stdint.h>

struct connection;
struct err;
struct reply;
struct service;

enum service_method {
	SERVICE_SUBMIT,
	SERVICE_WANTS,
	SERVICE_PUT_CHUNK,
	SERVICE_RECEIPTS,
	SERVICE_AUDIT,
	SERVICE_ACK,
	SERVICE_RESUME,
	SERVICE_ENROLL_START,
	SERVICE_ENROLL_FINISH,
	SERVICE_STATUS,
	SERVICE_EXPLAIN,
	SERVICE_UNLOCK,
	SERVICE_SET_PASSCODE,
	SERVICE_UNLOCK_CONFIG,
	SERVICE_ENROLL,
	SERVICE_RESET,
	SERVICE_METHOD_COUNT,
};

struct service_bytes {
	const void *data;
	size_t len;
};

/* A call with its arguments, by type and in order. Borrowed by the handler. */
struct service_call {
	const char *sender; /* its unique name */
	const char *text[2];
	struct service_bytes bytes[2];
	uint64_t number;
	uint32_t max;
	int fd;
	/* The handler answers with it, or takes it to answer later. */
	struct reply *reply;
};

/* Returns 0, or <0 with e, which becomes the answer. */
typedef int service_fn(void *arg, struct service_call *call, struct err *e);

/* Adds the interface, then requests the name. The handlers are not copied. */
int service_open(struct connection *connection,
		 service_fn *const handlers[SERVICE_METHOD_COUNT], void *arg,
		 struct service **ret, struct err *e);
/* Call after connection_close(). */
void service_free(struct service *s);

static inline void service_freep(struct service **s)
{
	service_free(*s);
}

#endif
