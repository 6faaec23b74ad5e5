/* SPDX-License-Identifier: Apache-2.0 */
/* The name of a process in the kernel, proc_pid_comm(5). */
#ifndef LIB_PROCESS_COMM_H
#define LIB_PROCESS_COMM_H

#include <stddef.h>

/*
 * `proc` is the folder of the process in /proc. "" if the process has ended;
 * cut off at size - 1.
 */
void process_comm_read(int proc, char *ret, size_t size);

#endif
