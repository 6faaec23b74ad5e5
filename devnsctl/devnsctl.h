/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devnsctl(8): looks into devns.ko, for people. Its verbs as one table. It
 * changes nothing: what VPs may do is said by policies, and cellsd alone sets
 * that.
 */
#ifndef DEVNSCTL_DEVNSCTL_H
#define DEVNSCTL_DEVNSCTL_H

#include <stdbool.h>

#include "cellsd/device/devns_link.h"
#include "lib/json.h"
#include "lib/verb.h"

struct err;

struct devnsctl {
	bool json;
	const char *devns; /* only of this one, by name or id; NULL: of all */
	struct devns_link *link;
	json_t *names; /* of devns, by id in decimal */
};

/* show.c: what the module has */
verb_fn devnsctl_list_devns, devnsctl_list_sources, devnsctl_list_endpoints,
	devnsctl_list_modes, devnsctl_list_stats;
/* holders.c: who has it open */
verb_fn devnsctl_list_holders;
/* follow.c: what happens */
verb_fn devnsctl_follow_events;

int devnsctl_main(int argc, char **argv);

#endif
