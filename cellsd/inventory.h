/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device nodes of this machine that belong to classes, by libudev and the
 * hardware profiles. The same listing serves at start and after each hot-plug;
 * where udevd does not run, the kernel's own events and sysfs do.
 */
#ifndef CELLSD_INVENTORY_H
#define CELLSD_INVENTORY_H

#include <stddef.h>

#include "cellsd/backend.h"

struct err;
struct inventory;
struct profile;

struct inventory_node {
	char name[128]; /* below /dev */
	struct backend_node node;
};

/* Borrows the profile. */
int inventory_new(const struct profile *p, struct inventory **ret,
		  struct err *e);
void inventory_free(struct inventory *i);

/* Lists anew. */
int inventory_scan(struct inventory *i, struct err *e);
const struct inventory_node *inventory_nodes(const struct inventory *i,
					     size_t *ret_n);

/* Readable when hardware came or went; after inventory_drain() scan again. */
int inventory_fd(const struct inventory *i);
/* Takes the events; false: none was about a device with a node. */
bool inventory_drain(struct inventory *i);

static inline void inventory_freep(struct inventory **i)
{
	inventory_free(*i);
}

#endif
