/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device backend: what holds a VP to its classes. `cgroup` (gate.c) works on
 * stock kernels; one by kernel module can stand beside it. A VP is known by its
 * number and its cgroup.
 */
#ifndef CELLSD_BACKEND_H
#define CELLSD_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;
struct err;

/* A node that hardware profiles give to classes (a bit each). */
struct backend_node {
	bool block;
	uint32_t major, minor;
	uint32_t classes;
};

struct backend_event {
	const char *event; /* "open", "deny", "lost" */
	uint64_t boot_ns;
	uint32_t vp;	  /* 0 with "lost" */
	uint32_t classes; /* 0: no class claims the node */
	uint32_t pid, uid, count;
	char comm[16];
};

typedef void backend_fn(void *arg, const struct backend_event *ev);

struct backend_type {
	const char *name, *level;

	/* `leaves`: cgroups of running VPs, whose kernel state is taken over.
	 */
	int (*make)(const int *leaves, unsigned int n, struct backend **ret,
		    struct err *e);
	void (*free)(struct backend *b);

	/* All nodes that there are; what is not named belongs to no class. */
	int (*set_nodes)(struct backend *b, const struct backend_node *nodes,
			 size_t n, struct err *e);

	/* Puts a cgroup under the backend, with nothing allowed if it is new.
	 */
	int (*hold)(struct backend *b, int leaf, struct err *e);

	/* Replaces at once what the VP may open from now on. */
	int (*allow)(struct backend *b, int leaf, uint32_t vp, uint32_t classes,
		     struct err *e);

	/* What the kernel has for that cgroup now. */
	int (*allowed)(struct backend *b, int leaf, uint32_t *ret_classes,
		       struct err *e);

	/* Readable when there are events. */
	int (*fd)(struct backend *b);
	void (*drain)(struct backend *b, backend_fn *fn, void *arg);
	/* Tells what was counted in bursts that are over; false: none is left.
	 */
	bool (*flush)(struct backend *b, backend_fn *fn, void *arg);
};

extern const struct backend_type gate_backend;

#endif
