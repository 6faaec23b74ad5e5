/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's configuration and options. */
#ifndef AGENT_AGENT_CONFIG_H
#define AGENT_AGENT_CONFIG_H

#include <stdint.h>

struct agent_config {
	char *server;	      /* instead of the enrollment's host; NULL */
	uint64_t speed_limit; /* bytes a second for downloads; 0: none */
	uint64_t parallel;    /* downloads at once */
	uint64_t memory_max;  /* bytes held of downloads */
	const char *state_dir;
};

#endif
