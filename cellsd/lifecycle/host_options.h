/* SPDX-License-Identifier: Apache-2.0 */
/* What the options and the configuration of cellsd say. */
#ifndef CELLSD_LIFECYCLE_HOST_OPTIONS_H
#define CELLSD_LIFECYCLE_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cellsd/vp/net.h"

struct profile;

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

#endif
