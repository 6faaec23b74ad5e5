/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device backend in use and the nodes that it was given last. hotplug.c
 * writes the nodes; everybody else reads.
 */
#ifndef CELLSD_LIFECYCLE_DEVICE_STATE_H
#define CELLSD_LIFECYCLE_DEVICE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "cellsd/device/backend.h"

struct device_state {
	const struct backend_type *type;
	struct backend *backend;
	struct backend_node *nodes;
	size_t n_nodes;
	uint32_t present;  /* classes that have hardware, a bit each */
	uint32_t by_class; /* of these, with nodes that VPs open themselves */
};

#endif
