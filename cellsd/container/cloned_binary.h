/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon runs from a sealed copy of its program in memory. A process that
 * enters a VP is the daemon's program until it runs another one, and the VP can
 * name it as /proc/self/exe: the file on the disk, which root runs again, must
 * not be what it gets.
 */
#ifndef CELLSD_CONTAINER_CLONED_BINARY_H
#define CELLSD_CONTAINER_CLONED_BINARY_H

struct err;

/* Runs the program again, from the copy; returns at once in the copy. On
 * failure the program goes on from the disk. */
int cloned_binary_ensure(char **argv, struct err *e);

#endif
