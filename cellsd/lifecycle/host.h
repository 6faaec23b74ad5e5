/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All parts of cellsd, each with what it needs of the others: launch.c (a VP is
 * made), running.c (its life from start to end), foreground.c (who is in front,
 * who may use what), key_eviction.c and erase.c (lock and deletion),
 * operations.c (what the bus asks for). Only daemon.c, which opens and closes
 * the whole, and the bus, which hands out the parts, know this.
 */
#ifndef CELLSD_LIFECYCLE_HOST_H
#define CELLSD_LIFECYCLE_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "cellsd/lifecycle/device_state.h"
#include "cellsd/lifecycle/erase.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/lifecycle/host_options.h"
#include "cellsd/lifecycle/hotplug.h"
#include "cellsd/lifecycle/key_eviction.h"
#include "cellsd/lifecycle/launch.h"
#include "cellsd/lifecycle/operations.h"
#include "cellsd/lifecycle/running.h"

struct module_autoload;
struct disk_headroom;
struct idle;
struct confinement;
struct layer_set;
struct ksm;
struct prestart;
struct psi;
struct vp_data;
struct vp_table;

struct host {
	struct host_options options;
	struct host_callbacks callbacks;
	struct vp_table *vps;
	struct layer_set *layers;
	struct confinement *confinement;
	struct vp_data *vp_data;
	struct net *net;
	struct ksm *ksm;
	struct module_autoload *module_autoload;
	struct idle *idle;
	struct prestart *prestart;
	struct psi *psi;
	struct disk_headroom *disk_headroom;
	int stage, layers_dir, cgroup; /* folders */
	struct device_state device;
	struct foreground foreground;
	struct hotplug hotplug;
	struct launch launch;
	struct erase erase;
	struct key_eviction key_eviction;
	struct running running;
	struct operations operations;
	bool has_hotkey; /* it was pressed, to be acted on */
	uint32_t hotkey;
	sd_event_source *on_events, *on_flush;
};

#endif
