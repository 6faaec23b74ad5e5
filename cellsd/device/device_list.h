/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listing of the machine's devices while it is made: which classes each node
 * needs, and which are given to no VP whatever a profile says. It asks no
 * system: a device is described by who adds it, so that a test can describe
 * machines that it does not run on.
 */
#ifndef CELLSD_DEVICE_DEVICE_LIST_H
#define CELLSD_DEVICE_DEVICE_LIST_H

#include <sys/types.h>

#include "cellsd/device/backend.h"
#include "cellsd/device/device_facts.h"
#include "cellsd/device/udev_class.h"

#define DEVICE_LIST_NODES_MAX 2048
#define DEVICE_LIST_PATH_SIZE 512

struct err;
struct device_list;
struct profile;

/* One that is listed. */
struct device_list_item {
	struct backend_node node;
	uint32_t own; /* the classes that udev or a profile says; node's: all */
	const char *reserved; /* why no VP is given it, or NULL */
	bool by_udev;	      /* udev says them */
	char unknown_class[UDEV_CLASS_WORD_SIZE]; /* that udev says; or "" */
	char path[DEVICE_LIST_PATH_SIZE];
	char hardware[DEVICE_LIST_PATH_SIZE]; /* of raw nodes; or "" */
};

/* Borrows the profile. */
int device_list_new(const struct profile *p, struct device_list **ret,
		    struct err *e);
void device_list_free(struct device_list *l);

/* Subsystems to be looked at besides those that a profile names. */
extern const char *const device_list_subsystems[]; /* ends with NULL */

/* Those beyond DEVICE_LIST_NODES_MAX are not listed, nor one twice. */
void device_list_add(struct device_list *l, const struct device_facts *d);
/* All are there: settles what depends on others. */
void device_list_finish(struct device_list *l);

/* Those with classes, or with one that is unknown, come with reserved NULL, or
 * with the reason. */
const struct device_list_item *device_list_items(const struct device_list *l,
						 size_t *ret_n);

static inline void device_list_freep(struct device_list **l)
{
	device_list_free(*l);
}

#endif
