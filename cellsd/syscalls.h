/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that programs in VPs may not make, by libseccomp. */
#ifndef CELLSD_SYSCALLS_H
#define CELLSD_SYSCALLS_H

#include <linux/filter.h>

struct err;

/* Compiles the filter; the caller frees ret->filter. Takes milliseconds. */
int syscalls_filter(struct sock_fprog *ret, struct err *e);

#endif
