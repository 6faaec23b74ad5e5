/* SPDX-License-Identifier: Apache-2.0 */
/* Options and configuration of cellsd, cellsd(8). */
#ifndef CELLSD_SETTINGS_H
#define CELLSD_SETTINGS_H

#include <stdbool.h>

#include "cellsd/context.h"

struct err;
struct profile;

struct setup {
	struct host_options options; /* all but the loop */
	struct profile *profile;
	/* from the file */
	char *cgroup_root, *backend, *network_range, *dns;
	bool check_only;
};

/* -ECANCELED: help or version was printed. */
int setup_read(int argc, char **argv, struct setup *ret, struct err *e);
void setup_fini(struct setup *s);

#endif
