/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: what is above all its parts. */
#ifndef MGMT_MGMTD_H
#define MGMT_MGMTD_H

#include <stdbool.h>

struct err;
struct server;
struct settings;

/* Opens the folder that init made. `conf` is taken over, also on failure; NULL:
 * all zero. */
int mgmtd_open(const char *dir, struct settings *conf, struct server **ret,
	       struct err *e);
void mgmtd_free(struct server *s);

/* Once a second: times to live, ages. */
int mgmtd_tick(struct server *s, struct err *e);
/* Serves until SIGTERM or SIGINT; the ports are written to `run_file`. */
int mgmtd_run(struct server *s, const char *run_file, bool debug,
	      struct err *e);

static inline void mgmtd_freep(struct server **s)
{
	mgmtd_free(*s);
}

#endif
