/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds handles of a class: open files and mappings of device nodes in the
 * processes of a VP's cgroup, found through /proc. What is in flight over a
 * socket when we look is not seen; that is why the level is "open" only.
 */
#ifndef CELLSD_DEVICE_OPEN_HANDLES_H
#define CELLSD_DEVICE_OPEN_HANDLES_H

#include <stddef.h>
#include <stdint.h>

#include "cellsd/device/backend.h"

#include <cells/class.h>

struct open_handles_count {
	uint32_t handles, mappings, kept;
};

struct open_handles_request {
	int cgroup;
	const char *cgroup_name; /* the last part of its path */
	const struct backend_node *nodes;
	size_t n_nodes;
	uint32_t lost; /* classes, a bit each */
	uint32_t kill; /* of these, those whose holders are ended */
};

/*
 * Stops the VP for a moment, counts the handles of lost classes, and ends their
 * holders as the request says. Adds to counts[]. Returns 0 or -errno; counts
 * are then what was seen. If a process could not be looked into and holders are
 * to be ended, all of the VP is.
 */
int open_handles_revoke(const struct open_handles_request *o,
			struct open_handles_count counts[CELLS_CLASS_COUNT]);

#endif
