/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent as a whole: moves bytes between the server and cells-policyd, and
 * decides nothing. It keeps a connection while there is an enrollment and a
 * policyd to speak for, and starts again when either changes: whatever was
 * under way comes again, from the server or from policyd.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/agent_config.h"

struct agent;
struct err;

int agent_new(const struct agent_config *conf, struct agent **ret,
	      struct err *e);
void agent_free(struct agent *a);

/* Until SIGTERM or SIGINT: 0. */
int agent_run(struct agent *a, struct err *e);

static inline void agent_freep(struct agent **a)
{
	agent_free(*a);
}

#endif
