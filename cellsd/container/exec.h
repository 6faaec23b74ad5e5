/* SPDX-License-Identifier: Apache-2.0 */
/* A program that root runs inside a running VP. */
#ifndef CELLSD_CONTAINER_EXEC_H
#define CELLSD_CONTAINER_EXEC_H

#include <stdbool.h>
#include <sys/types.h>

struct err;
struct confinement;

struct exec_plan {
	int init;	   /* pidfd of the VP's init */
	int cgroup;	   /* its cgroup */
	const char *label; /* SELinux context or "" */
	const struct confinement *confinement;
	bool no_new_privs;
	char **argv;
	int fd[3]; /* its 0, 1, 2 */
};

/* Runs it with the VP's namespaces, cgroup and rights. *ret: its pidfd. */
int exec_start(const struct exec_plan *p, int *ret, struct err *e);

/* Exit code, or 128 + signal, of a program that has ended. */
int exec_get_exit_code(int pidfd);

#endif
