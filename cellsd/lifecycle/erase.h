/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion of a VP's data, whose key is destroyed by then (key_eviction.h):
 * nobody can read it any more. A child process does it, so that the daemon goes
 * on answering; it can be done again after a power cut.
 */
#ifndef CELLSD_LIFECYCLE_ERASE_H
#define CELLSD_LIFECYCLE_ERASE_H

#include <systemd/sd-event.h>

#include "cellsd/vp/vp.h"

#define ERASE_METHOD "keys destroyed, data deleted"

struct host_callbacks;
struct vp_data;
struct vp_table;

/* What it works on. */
struct erase {
	struct vp_table *vps;
	struct vp_data *vp_data;
	const struct host_callbacks *callbacks;
	sd_event *loop;
};

/* The VP has no process; its waiters are called when it is absent, or with the
 * reason why not. */
void erase_begin(const struct erase *c, struct vp *v);

#endif
