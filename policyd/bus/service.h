/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.cells.Policy1 on the bus: schema/dbus/org.cells.Policy1.xml. Who may call
 * a method is seen to here; what it does is its handler's.
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

/* A call, borrowed by its handler: the arguments of each type in their order.
 */
struct service_call {
	const char *sender; /* its unique name */
	const char *text[2];
	struct service_bytes bytes[2];
	uint64_t number;
	uint32_t max;
	int fd;
	/* The handler answers by it, or takes it to do so later. */
	struct reply *reply;
};

/* 0; or <0 with e, which is then the answer. */
typedef int service_fn(void *arg, struct service_call *call, struct err *e);

/* Offers the interface, then takes the name. The handlers are not copied. */
int service_open(struct connection *connection,
		 service_fn *const handlers[SERVICE_METHOD_COUNT], void *arg,
		 struct service **ret, struct err *e);
/* After the bus is closed. */
void service_free(struct service *s);

static inline void service_freep(struct service **s)
{
	service_free(*s);
}

#endif
