/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware that is there, comes and goes: one listing for the backend, and from
 * that the nodes in each VP's /dev. The start of a VP and of the daemon take
 * the same way as an event.
 */
#ifndef CELLSD_LIFECYCLE_HOTPLUG_H
#define CELLSD_LIFECYCLE_HOTPLUG_H

#include <stddef.h>

#include "cellsd/device/backend.h"

struct err;
struct host;
struct vp;

/* Opens h->hardware, lists it and gives it to the backend. */
int hotplug_open(struct host *h, struct err *e);
/* Follows it from now on. */
int hotplug_listen(struct host *h, struct err *e);

/* What v's /dev has besides what every VP has; the caller frees. */
int hotplug_list_vp_nodes(const struct host *h, const struct vp *v,
			  struct backend_node **ret, size_t *ret_n,
			  struct err *e);
/* Brings the /dev of a VP that is made to that. */
void hotplug_refresh_vp(const struct host *h, const struct vp *v);

#endif
