/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first process of a VP. It is cloned into its namespaces and its cgroup,
 * waits while the parent maps ids and builds its tree, then enters the tree and
 * gives up its rights. There it waits again, for as long as the parent likes,
 * and becomes the image's init when it is let go.
 */
#ifndef CELLSD_CONTAINER_INIT_PROCESS_H
#define CELLSD_CONTAINER_INIT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct confinement;

/* The environment's PATH of what runs in a VP. */
#define INIT_PROCESS_PATH                                                      \
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define INIT_PROCESS_IDS 65536 /* user and group ids of a VP */

struct init_process_plan {
	const char *name;  /* of the VP: its host name */
	const char *init;  /* path in the VP */
	const char *label; /* SELinux context or "" */
	const struct confinement *confinement;
	int cgroup;	  /* its cgroup */
	uint32_t base;	  /* first id of its range */
	uint32_t address; /* in its network; 0: loopback only */
	bool merge;	  /* its memory with that of others */
	bool no_new_privs;
};

struct init_process {
	pid_t pid;
	int pidfd, userns; /* the VP's user namespace */
	int go, status;
};
#define INIT_PROCESS_NONE                                                      \
	{                                                                      \
		.pid = -1, .pidfd = -1, .userns = -1, .go = -1, .status = -1   \
	}

/* Clones it and maps its ids. The current folder must be the stage (rootfs.h).
 */
int init_process_clone(const struct init_process_plan *p,
		       struct init_process *ret, struct err *e);

/*
 * Two words, which do not wait: its link is there, so that it can bring up its
 * network while its tree is built; then, its tree is there.
 */
void init_process_continue(const struct init_process *b);

/*
 * After both: waits until all is done but the last step. Of the stage and of
 * the daemon's files it has nothing left then.
 */
int init_process_wait_ready(struct init_process *b, struct err *e);

/* Something of ours failed, with r: if the first process failed before, then
 * that is why, and what is answered. */
int init_process_explain_failure(struct init_process *b, int r, struct err *e);

/* It waits, and nobody has ended it. */
bool init_process_is_waiting(const struct init_process *b);

/* Lets it go and waits until it runs its init, or says why it does not. */
int init_process_run_init(struct init_process *b, struct err *e);

/* Closes what is open and ends a process that was not let go. */
void init_process_fini(struct init_process *b);

/* Resets what a child inherits from the daemon: signals, umask, descriptors. */
void init_process_reset_inherited(int keep_below);

#endif
