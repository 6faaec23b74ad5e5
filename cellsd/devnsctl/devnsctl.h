/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devnsctl(8): looks into devns.ko, for people. Its verbs as one table. It
 * changes nothing: what VPs may do is said by policies, and cellsd alone sets
 * that.
 */
#ifndef CELLSD_DEVNSCTL_H
#define CELLSD_DEVNSCTL_H

#include <stdbool.h>

#include "cellsd/devns_link.h"
#include "lib/json.h"

struct err;

struct nsctl {
	bool json;
	const char *devns; /* only of this one, by name or id; NULL: of all */
	struct devnslink *link;
	json_t *names; /* of devns, by id in decimal */
};

/* argv: behind the options, NULL ends it. 0 or a negative errno. */
typedef int nsctl_fn(struct nsctl *c, char **argv, struct err *e);

/* show.c: what the module has */
nsctl_fn nsctl_list, nsctl_sources, nsctl_endpoints, nsctl_modes, nsctl_stat;
/* holders.c: who has it open */
nsctl_fn nsctl_holders;
/* follow.c: what happens */
nsctl_fn nsctl_events;

int nsctl_main(int argc, char **argv);

#endif
