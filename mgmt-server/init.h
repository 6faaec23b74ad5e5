/* SPDX-License-Identifier: Apache-2.0 */
/* What an administrator does on the server's own machine, by its program. */
#ifndef MGMT_INIT_H
#define MGMT_INIT_H

#include <stdbool.h>

#include "lib/opt.h"

struct err;

struct init_options {
	const char *dir, *org;
	struct opt_list hosts;
	bool admin;
};

/*
 * init: keys, certificates, database; prints the first administrator's token,
 * once. -EEXIST: something of a server is there, and nothing was touched.
 * new-director: another key, after the old one was stolen; a root must name it.
 * new-token: of role admin, for who has lost all others; printed once, and the
 * server may be running. verify-store: reads each chunk and takes damaged ones
 * away. -ENOSYS: there is no such verb.
 */
int init_run_verb(const char *verb, const struct init_options *f,
		  struct err *e);

#endif
