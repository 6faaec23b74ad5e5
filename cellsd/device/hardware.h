/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device nodes of this machine that belong to classes, by libudev and the
 * hardware profiles. The same listing serves at start and after each hot-plug;
 * where udevd does not run, the kernel's own events and sysfs do.
 */
#ifndef CELLSD_DEVICE_HARDWARE_H
#define CELLSD_DEVICE_HARDWARE_H

#include <stddef.h>

#include "cellsd/device/backend.h"

struct err;
struct hardware;
struct profile;

/* Borrows the profile. */
int hardware_new(const struct profile *p, struct hardware **ret, struct err *e);
void hardware_free(struct hardware *i);

/* Lists again. */
int hardware_scan(struct hardware *i, struct err *e);
const struct backend_node *hardware_get_nodes(const struct hardware *i,
					      size_t *ret_n);

/* Whether the device that a node was listed for is still in the kernel. */
bool hardware_has_device(const struct backend_node *n);

/* Readable when hardware came or went; after hardware_drain_events() scan
 * again. */
int hardware_fd(const struct hardware *i);
/* Takes the events; false: none was about a device with a node. */
bool hardware_drain_events(struct hardware *i);

static inline void hardware_freep(struct hardware **i)
{
	hardware_free(*i);
}

#endif
