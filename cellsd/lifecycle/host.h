/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all parts of cellsd share: its VPs, its hardware, the kernel's side of
 * both. On it build launch.c (a VP is made), running.c (its life from start
 * to end), foreground.c (who is in front, who may use what), key_eviction.c and
 * erase.c (lock and deletion). Above them, operations.c does what the bus asks
 * for, and daemon.c opens and closes the whole.
 */
#ifndef CELLSD_LIFECYCLE_HOST_H
#define CELLSD_LIFECYCLE_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cellsd/device/backend.h"
#include "cellsd/device/open_handles.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/net.h"
#include "cellsd/vp/vp_table.h"

struct module_autoload;
struct err;
struct hardware;
struct disk_headroom;
struct idle;
struct confinement;
struct layer_set;
struct ksm;
struct prestart;
struct psi;
struct profile;
struct vp_data;

struct host_revoked {
	unsigned int n;
	struct host_revocation {
		char vp[VP_NAME_SIZE];
		enum cells_class cls;
		struct open_handles_count count;
	} cut[VPS_MAX * CELLS_CLASS_COUNT];
};

/* Callbacks of what happens; set by cellsd/bus/. Each member must be there. */
struct host_callbacks {
	void (*switched)(void *arg, const char *from, const char *to,
			 uint64_t generation, const char *cause, uint64_t ns);
	void (*changed)(void *arg, const char *vp, enum vp_state s,
			const char *cause);
	void (*event)(void *arg, const char *event, const char *vp,
		      enum cells_class cls, const struct backend_event *ev,
		      const char *cause);
	void (*revoked)(void *arg, const struct host_revoked *r, uint64_t ns,
			const char *cause);
	void (*idle)(void *arg, const char *vp);
	/* A VP that the device was to start by itself did not start. */
	void (*start_failed)(void *arg, const char *vp, const char *cause,
			     const struct err *why);
	void *arg;
};

struct host_options {
	const char *state_dir, *run_dir, *cgroup_root;
	const struct profile *profile;
	const char *backend; /* "auto" or a backend's name */
	struct net_options net;
	uint64_t pressure_ms;	  /* 0: no program is ended for memory */
	bool merge;		  /* equal memory of VPs */
	bool load_modules;	  /* the kernel may, while VPs run */
	uint64_t prepared_starts; /* at most so many VPs wait prepared */
	uint64_t stop_ms;	  /* from the stop signal to the kill */
	sd_event *loop;
};

struct host {
	struct host_options options;
	struct host_callbacks watch;
	struct vp_table *vp_table;
	struct layer_set *layers;
	struct confinement *confinement;
	struct hardware *hardware;
	const struct backend_type *backend_type;
	struct backend *backend;
	struct backend_node *nodes;
	size_t n_nodes;
	uint32_t present;  /* classes that have hardware, a bit each */
	uint32_t by_class; /* of these, with nodes that VPs open themselves */
	struct vp_data *vpdata;
	struct disk_headroom *disk_headroom;
	struct idle *idle;
	struct net *net;
	struct prestart *prepared;
	struct psi *pressure;
	struct ksm *merge;
	struct module_autoload *module_autoload;
	uint64_t input_ns; /* boot clock, of the user's last act; 0: none yet */
	bool has_combo;	   /* keys were pressed, to be acted on */
	uint32_t combo;
	int stage, layers_dir, cgroup; /* folders */
	sd_event_source *on_events, *on_flush, *on_hotplug, *on_settled;
	struct host_revoked revoked; /* by the last Apply */
	struct host_revoked
		switched; /* by the last switch, also inside Apply */
};

#endif
