/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a process as the kernel has it, proc_pid_comm(5). */
#ifndef LIB_PROCESS_COMM_H
#define LIB_PROCESS_COMM_H

#include <stddef.h>

/* `proc` is its folder in /proc. "" where it has ended; cut off at size - 1. */
void process_comm_read(int proc, char *ret, size_t size);

#endif
