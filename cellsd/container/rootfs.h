/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file tree of a VP: layers and data under an overlay, /dev, /proc, /sys.
 * It is put together on a stage: a tmpfs in a mount namespace of the daemon's
 * own, so that the host never sees it and nothing is left when the daemon dies.
 * The VP's first process copies it; after that the stage is cleared.
 */
#ifndef CELLSD_CONTAINER_ROOTFS_H
#define CELLSD_CONTAINER_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct layer_set;

/*
 * Moves the daemon into a mount namespace of its own and mounts the stage over
 * the folder, which becomes the current one. *ret is its descriptor.
 */
int rootfs_create_stage(const char *folder, int *ret, struct err *e);

struct rootfs_node {
	const char *name; /* below /dev */
	bool block;
	uint32_t major, minor;
};

struct rootfs_plan {
	struct layer_set *layers;
	const char *const *digests; /* lowest first */
	unsigned int n_digests;
	const struct rootfs_node *nodes;
	size_t n_nodes;
	const char *label; /* SELinux context of the files or "" */
	int data;	   /* folder with `upper` and `work`, ids 0-based */
	int userns, pidfd; /* of the VP's first process */
	uint32_t base;
};

struct rootfs {
	int dev;     /* the VP's /dev, for nodes that come later */
	int run;     /* its /run */
	int console; /* master side of its console */
	int tty;     /* slave side: held open, the master never hangs up */
};

int rootfs_build(int stage, const struct rootfs_plan *p, struct rootfs *ret,
		 struct err *e);
/* Unmounts what rootfs_build() mounted on the stage. */
void rootfs_clear_stage(int stage);

/* Whether a name below /dev is, or is below, one that every VP has: its own. */
bool rootfs_is_own_node(const char *name);

/*
 * Makes a node in a VP's /dev, owned by its root. -EEXIST is not an error, but
 * -EINVAL: the name is the VP's own.
 */
int rootfs_add_node(int dev, const struct rootfs_node *n, uint32_t base,
		    struct err *e);
void rootfs_remove_node(int dev, const char *name);

#endif
