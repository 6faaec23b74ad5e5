/* SPDX-License-Identifier: Apache-2.0 */
/* What the listener is given of the rest of the server. */
#ifndef MGMT_SERVER_LISTENER_LISTENER_SERVICE_H
#define MGMT_SERVER_LISTENER_LISTENER_SERVICE_H

#include <stdbool.h>

struct alarms;
struct device_messages;
struct err;
struct password_pool;
struct pki;
struct ratelimit;
struct request_context;
struct server_callbacks;
struct settings;
struct turn;

/* What the loop serves, and what it calls for the rest of the server; all
 * borrowed. */
struct listener_service {
	const struct settings *conf;
	struct turn *turn;
	struct pki *pki;
	struct alarms *alarms;
	struct ratelimit *limit;
	struct password_pool *passwords;
	struct request_context *requests; /* knows the port, once bound */
	const struct device_messages *devices;
	struct server_callbacks *callbacks; /* filled while the loop runs */
	void *ctx;
	/* Once a second. */
	int (*tick)(void *ctx, struct err *e);
	/* A bounded piece of the work that is waiting; true: there is more. */
	bool (*run_work)(void *ctx);
};

#endif
