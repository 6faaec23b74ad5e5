/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon as a whole: what is above all its parts. */
#ifndef POLICYD_DAEMON_H
#define POLICYD_DAEMON_H

#include <stdint.h>

struct err;
struct policyd;

struct daemon_options {
	const char *state_dir;
	uint64_t storage_reserve; /* bytes that layers leave free */
};

/* Opens the state, finishes what was started, and listens on the bus. */
int daemon_new(const struct daemon_options *o, struct policyd **ret,
	       struct err *e);
void daemon_free(struct policyd *p);
/* Notifies the service manager, and works until SIGTERM or SIGINT. */
int daemon_run(struct policyd *p, struct err *e);

static inline void daemon_freep(struct policyd **p)
{
	if (*p)
		daemon_free(*p);
}

#endif
