/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filters of system calls for programs in VPs, by libseccomp: which calls
 * there are (syscall_groups.h), of those that stay, which arguments, and which
 * sockets.
 */
#ifndef CELLSD_CONTAINER_SECCOMP_H
#define CELLSD_CONTAINER_SECCOMP_H

#include <linux/filter.h>

struct err;

struct seccomp_filters {
	struct sock_fprog calls, arguments, sockets;
};

/* Compiles all; takes milliseconds. */
int seccomp_filters_new(struct seccomp_filters *ret, struct err *e);
void seccomp_filters_fini(struct seccomp_filters *s);

#endif
