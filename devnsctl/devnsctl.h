/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devnsctl(8): looks into devns.ko, for people. Its verbs as one table. It
 * changes nothing: what VPs may do is said by policies, and cellsd alone sets
 * that.
 */
#ifndef DEVNSCTL_DEVNSCTL_H
#define DEVNSCTL_DEVNSCTL_H

#include "devnsctl/session.h"
#include "lib/verb.h"

/* show.c: what the module has */
verb_fn devnsctl_list_devns, devnsctl_list_sources, devnsctl_list_endpoints,
	devnsctl_list_modes, devnsctl_list_stats;
/* holders.c: who has it open */
verb_fn devnsctl_list_holders;
/* follow.c: what happens */
verb_fn devnsctl_follow_events;

int devnsctl_main(int argc, char **argv);

#endif
