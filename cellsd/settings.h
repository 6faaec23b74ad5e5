/* SPDX-License-Identifier: Apache-2.0 */
/* Options and configuration of cellsd, cellsd(8). */
#ifndef CELLSD_SETTINGS_H
#define CELLSD_SETTINGS_H

#include <stdbool.h>

#include "cellsd/lifecycle/host_options.h"

struct err;
struct profile;

struct settings {
	struct host_options options; /* all but the loop */
	struct profile *profile;
	/* from the file */
	char *cgroup_root, *backend, *network_range, *dns;
	bool check_only;
};

/* -ECANCELED: help or version was printed. */
int settings_read(int argc, char **argv, struct settings *ret, struct err *e);
void settings_fini(struct settings *s);

#endif
