/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hardware that is there, comes and goes: one listing for the backend, and from
 * that the nodes in each VP's /dev. The start of a VP and of the daemon take
 * the same way as an event.
 */
#ifndef CELLSD_LIFECYCLE_HOTPLUG_H
#define CELLSD_LIFECYCLE_HOTPLUG_H

#include <stddef.h>

#include <systemd/sd-event.h>

#include "cellsd/lifecycle/device_state.h"

struct err;
struct foreground;
struct hardware;
struct idle;
struct profile;
struct vp;
struct vp_table;

struct hotplug {
	const struct profile *profile;
	const struct vp_table *vps;
	struct device_state *device;
	struct foreground *foreground;
	struct idle *idle;
	sd_event *loop;
	struct hardware *hardware; /* what follows is hotplug_open()'s */
	sd_event_source *on_event, *on_settled;
};

/* Lists the hardware and gives it to the backend. */
int hotplug_open(struct hotplug *p, struct err *e);
/* Follows it from now on. */
int hotplug_listen(struct hotplug *p, struct err *e);
void hotplug_close(struct hotplug *p);

/* What v's /dev has besides what every VP has; the caller frees. */
int hotplug_list_vp_nodes(const struct device_state *d, const struct vp *v,
			  struct backend_node **ret, size_t *ret_n,
			  struct err *e);
/* Brings the /dev of a VP that is made to that. */
void hotplug_refresh_vp(const struct device_state *d, const struct vp *v);

#endif
