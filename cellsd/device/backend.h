/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device backend: what holds a VP to its classes. `cgroup` (backend_cgroup.c)
 * works on stock kernels; `devns` (backend_devns.c) needs the kernel module,
 * and has the other under it. A VP is known by its number.
 */
#ifndef CELLSD_DEVICE_BACKEND_H
#define CELLSD_DEVICE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cells/class.h>
#include <cells/mode.h>

#define BACKEND_NAME_SIZE 128

struct backend;
struct err;

/* How VPs come to a node. */
enum backend_access {
	BACKEND_BY_CLASS,    /* the device program decides each open */
	BACKEND_BY_ENDPOINT, /* by its endpoints; it is shut */
	BACKEND_SHUT,	     /* not at all */
	BACKEND_ENDPOINT,    /* it is one: of one VP */
};

/* A node that hardware profiles give to classes (a bit each). */
struct backend_node {
	char name[BACKEND_NAME_SIZE]; /* below /dev */
	bool block;
	uint32_t major, minor; /* 0, 0: it has no node, only sysfs */
	uint32_t classes;
	uint64_t instance; /* another one when the device went and came
				  again */
	enum backend_access way;
	uint32_t vp; /* whose endpoint */
};

struct backend_vp {
	const char *name;
	uint32_t number;
	int cgroup; /* its cgroup */
};

/* Everything that verdicts come from. */
struct backend_table {
	uint32_t foreground; /* a VP's number; 0: the host */
	size_t n;
	const struct backend_rights {
		uint32_t vp;
		struct cells_right right[CELLS_CLASS_COUNT];
	} * row;
};

struct backend_revocation {
	uint32_t vp;
	enum cells_class cls;
	uint32_t handles, mappings;
};
typedef void backend_revocation_fn(void *arg,
				   const struct backend_revocation *c);

struct backend_event {
	const char *event; /* "open", "deny", "close", "revoke", "lost" ... */
	uint64_t boot_ns;
	uint32_t vp;	  /* 0 with "lost" */
	uint32_t classes; /* 0: no class claims the node */
	uint32_t pid, uid, count;
	char comm[16];
};

/* Event "combo": the host's keys were pressed; `count` is which, from 0. */
#define BACKEND_HOTKEY "combo"

typedef void backend_event_fn(void *arg, const struct backend_event *ev);
typedef void backend_node_fn(void *arg, const struct backend_node *n);

/* set_policy, check_shown, detach, each_endpoint may be NULL: nothing to do. */
struct backend_type {
	const char *name, *level;

	/* `vps`: those that run, whose kernel state is taken over. */
	int (*make)(const struct backend_vp *vps, unsigned int n,
		    struct backend **ret, struct err *e);
	void (*free)(struct backend *b);

	/*
	 * All nodes that there are; what is not named belongs to no class. Sets
	 * `way` of each.
	 */
	int (*set_nodes)(struct backend *b, struct backend_node *nodes,
			 size_t n, struct err *e);
	/* The endpoints in a VP's /dev. */
	void (*each_endpoint)(const struct backend *b, uint32_t vp,
			      backend_node_fn *fn, void *arg);

	/* Puts a VP under the backend, with nothing allowed if it is new. */
	int (*attach)(struct backend *b, const struct backend_vp *vp,
		      struct err *e);
	/* Nothing of it runs any more. */
	void (*detach)(struct backend *b, uint32_t vp);

	/*
	 * Brings what the backend decides itself to the table, as one ordered
	 * change; fn gets what that took away. *ret_ns: CLOCK_MONOTONIC of the
	 * kernel's last step. Nothing to change is not an error. -EBUSY: all
	 * but the front, which would not be shown, is as the table says.
	 */
	int (*set_policy)(struct backend *b, const struct backend_table *t,
			  backend_revocation_fn *fn, void *arg,
			  uint64_t *ret_ns, struct err *e);

	/* -EBUSY: a program of the host holds the display; e names it. */
	int (*check_shown)(struct backend *b, struct err *e);

	/* Replaces at once what the VP may open from now on, by class. */
	int (*allow)(struct backend *b, int cgroup, uint32_t vp,
		     uint32_t classes, struct err *e);

	/* What the kernel has for that cgroup now. */
	int (*allowed)(struct backend *b, int cgroup, uint32_t *ret_classes,
		       struct err *e);

	/* Readable when there are events. */
	int (*fd)(struct backend *b);
	void (*drain)(struct backend *b, backend_event_fn *fn, void *arg);
	/* Reports what was counted in bursts that are over; false: none is
	 * left.
	 */
	bool (*flush)(struct backend *b, backend_event_fn *fn, void *arg);
};

extern const struct backend_type backend_cgroup_type, backend_devns_type;

#endif
