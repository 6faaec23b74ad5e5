/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listing of the machine's devices while it is made: which classes each node
 * needs, and which are given to no VP whatever a profile says. It asks no
 * system: a device is described by who adds it, so that a test can describe
 * machines that it does not run on.
 */
#ifndef CELLSD_DEVICE_LIST_H
#define CELLSD_DEVICE_LIST_H

#include <sys/types.h>

#include "cellsd/backend.h"
#include "cellsd/profile.h"

#define DEVLIST_NODES_MAX 2048
#define DEVLIST_PATH_SIZE 512

struct err;
struct devlist;

struct devlist_device {
	struct profile_device ask;
	/* An attribute of the nearest device above it, or of itself, that is of
	 * that subsystem and type (NULL: any). */
	const char *(*above)(void *arg, const char *subsystem, const char *type,
			     const char *attribute);
	const char *path; /* in sysfs */
	/* The path of the piece of hardware that a raw node reaches, or NULL.
	 */
	const char *(*hardware)(void *arg);
	dev_t number;
	uint64_t birth;
	const char *consoles; /* the host's, words: "tty0 ttyS0" */
	bool in_use;	      /* a disk that the host uses */
};

/* One that is listed. */
struct devlist_item {
	struct backend_node node;
	uint32_t own;	      /* the classes that a profile says; node's: all */
	const char *reserved; /* why no VP is given it, or NULL */
	char path[DEVLIST_PATH_SIZE];
	char hardware[DEVLIST_PATH_SIZE]; /* of raw nodes; or "" */
};

/* Borrows the profile. */
int devlist_new(const struct profile *p, struct devlist **ret, struct err *e);
void devlist_free(struct devlist *l);

/* Subsystems to be looked at besides those that a profile names. */
extern const char *const devlist_subsystems[]; /* ends with NULL */

/* More than DEVLIST_NODES_MAX are not listed. */
void devlist_add(struct devlist *l, const struct devlist_device *d);
/* All are there: settles what depends on others. */
void devlist_finish(struct devlist *l);

/* Those with classes come with reserved NULL, or with the reason. */
const struct devlist_item *devlist_items(const struct devlist *l,
					 size_t *ret_n);

static inline void devlist_freep(struct devlist **l)
{
	devlist_free(*l);
}

#endif
