/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outermost part: both listening sockets and the loop. What is private to
 * this folder is in listener_context.h.
 */
#ifndef MGMT_SERVER_LISTENER_LISTENER_H
#define MGMT_SERVER_LISTENER_LISTENER_H

#include <stdbool.h>

struct err;
struct listener_service;

/* Listens, writes the ports to `run_file`, and runs until SIGTERM or SIGINT. */
int listener_run(const struct listener_service *service, const char *run_file,
		 bool debug, struct err *e);

#endif
