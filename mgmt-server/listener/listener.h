/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outermost part: both listening sockets and the loop. What is private to
 * this folder is in listener_context.h.
 */
#ifndef MGMT_SERVER_LISTENER_LISTENER_H
#define MGMT_SERVER_LISTENER_LISTENER_H

#include <stdbool.h>

struct err;
struct server;

/* What the loop calls for the rest of the server. */
struct listener_hooks {
	/* Once a second. */
	int (*tick)(struct server *s, struct err *e);
	/* A bounded piece of the work that is waiting; true: there is more. */
	bool (*run_work)(struct server *s);
};

/* Listens, writes the ports to `run_file`, and runs until SIGTERM or SIGINT. */
int listener_run(struct server *s, const struct listener_hooks *hooks,
		 const char *run_file, bool debug, struct err *e);

#endif
