/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as a whole. It moves bytes between the server and cells-policyd and
 * makes no decisions. It keeps a connection while the device is enrolled and
 * cells-policyd runs, and starts again when either changes. The server or
 * cells-policyd then repeats whatever was in progress.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/agent_config.h"

struct agent;
struct err;

int agent_new(const struct agent_config *conf, struct agent **ret,
	      struct err *e);
void agent_free(struct agent *a);

/* Runs until SIGTERM or SIGINT, and then returns 0. */
int agent_run(struct agent *a, struct err *e);

static inline void agent_freep(struct agent **a)
{
	agent_free(*a);
}

#endif
