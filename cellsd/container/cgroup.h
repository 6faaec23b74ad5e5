/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup (v2) of a running VP: a fresh leaf for each start, below a root
 * cgroup that cellsd made. Nothing here touches a cgroup by anything but a
 * descriptor that cgroup_new() or cgroup_open() gave, so that no process
 * outside can be signalled, frozen or killed.
 */
#ifndef CELLSD_CONTAINER_CGROUP_H
#define CELLSD_CONTAINER_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/*
 * Finds the cgroup2 mount in /proc/self/mountinfo and makes (or opens) the root
 * cgroup `name` in it. A root that holds processes itself is refused: -EBUSY.
 */
int cgroup_root_open(const char *name, int *ret, struct err *e);

/* Closes it, and removes it if nothing is in it. */
void cgroup_root_close(int root, const char *name);

/* Makes a new leaf; -EEXIST if there is one. `owner` may manage it inside. */
int cgroup_new(int root, const char *name, uid_t owner, int *ret,
	       struct err *e);
/* -ENOENT: there is none. */
int cgroup_open(int root, const char *name, int *ret, struct err *e);

/* Makes or opens a cgroup of ours below a leaf; it goes with that. */
int cgroup_open_child(int cgroup, const char *name, int *ret, struct err *e);

struct cgroup_limits {
	uint64_t memory_max; /* bytes; 0: none */
	uint32_t cpu_weight; /* 1..10000; 0: the kernel's own */
	uint32_t io_weight;  /* the same */
	uint32_t pids_max;   /* 0: none */
	/* Of one disk, a whole one; bytes a second, 0: none. */
	uint64_t io_read_max, io_write_max;
	dev_t disk; /* 0: there is none to limit */
};
enum {
	CGROUP_LIMIT_MEMORY = 1,
	CGROUP_LIMIT_CPU = 2,
	CGROUP_LIMIT_PIDS = 4,
	CGROUP_LIMIT_IO = 8,
	CGROUP_LIMIT_READ = 16,
	CGROUP_LIMIT_WRITE = 32,
};
/* Returns the limits that no controller enforces, a bit each. */
unsigned int cgroup_set_limits(int cgroup, const struct cgroup_limits *l);
/* What it reads and writes of the disk is limited no more. */
void cgroup_clear_io_limits(int cgroup, dev_t disk);
/* The limits that no controller of this cgroup can enforce, a bit each. */
unsigned int cgroup_get_unsupported_limits(int group);

/* Freezes and waits until it is done, at most `ms`; -ETIMEDOUT. */
int cgroup_freeze(int cgroup, int ms);
int cgroup_thaw(int cgroup);
/* Kills whatever is in it, frozen or not. */
int cgroup_kill(int cgroup);
/* Kills and waits until nothing is in it, at most `ms`; -ETIMEDOUT. */
int cgroup_kill_and_wait(int cgroup, int ms);
/* 1, 0 or -errno. */
int cgroup_is_populated(int cgroup);
/* cgroup.events: POLLPRI when it changes. */
int cgroup_open_events(int cgroup, int *ret, struct err *e);
/* Memory in use; 0 where nothing counts it. */
uint64_t cgroup_get_memory_usage(int cgroup);

/* Removes an empty leaf and what a VP made below it. */
int cgroup_remove(int root, const char *name, struct err *e);

/*
 * Is the process in the leaf of that name or below it: 1, 0 or -errno? `proc`
 * is its folder in /proc, which means one process only, also after it has
 * ended.
 */
int cgroup_contains_process(const char *name, int proc);

/* Calls fn for each process in the leaf and below; stops when it returns <0. */
typedef int cgroup_pid_fn(void *arg, pid_t pid);
int cgroup_each_pid(int cgroup, cgroup_pid_fn *fn, void *arg);

#endif
