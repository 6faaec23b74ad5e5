/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of programs in VPs: one table of groups, each with its
 * reason. What is in no group does not exist for them (ENOSYS), so that a call
 * that a newer kernel brings is closed until somebody has looked at it, and
 * programs take the older way.
 */
#ifndef CELLSD_CONTAINER_SYSCALL_GROUPS_H
#define CELLSD_CONTAINER_SYSCALL_GROUPS_H

#include <stddef.h>

struct syscall_group {
	const char *reason;
	int code;	 /* 0: allowed; else what the calls return, as errno */
	const int *call; /* libseccomp's numbers */
	size_t n;
};

extern const struct syscall_group syscall_groups[];
extern const size_t syscall_groups_n;

#endif
