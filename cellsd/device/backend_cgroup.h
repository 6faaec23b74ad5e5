/* SPDX-License-Identifier: Apache-2.0 */
/* The `cgroup` backend, as the other one has it under it. */
#ifndef CELLSD_DEVICE_BACKEND_CGROUP_H
#define CELLSD_DEVICE_BACKEND_CGROUP_H

#include "cellsd/device/backend.h"

/* As set_nodes, where `way` of each node is set already. */
int backend_cgroup_put_nodes(struct backend *b,
			     const struct backend_node *nodes, size_t n,
			     struct err *e);

#endif
