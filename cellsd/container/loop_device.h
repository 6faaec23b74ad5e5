/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loop devices, which make a file a block device (loop(4)). Each goes by itself
 * with its last user.
 */
#ifndef CELLSD_CONTAINER_LOOP_DEVICE_H
#define CELLSD_CONTAINER_LOOP_DEVICE_H

#include <stdbool.h>

#define LOOP_DEVICE_PATH_SIZE 32

struct err;

/* Attaches the file to a free one; `path` is its node. */
int loop_device_attach(int file, bool readonly,
		       char path[LOOP_DEVICE_PATH_SIZE], int *ret,
		       struct err *e);

/*
 * The one that the file is attached to already, open for writing. -ENOENT: to
 * none. A file system on a file may be mounted through one device only.
 */
int loop_device_find(int file, char path[LOOP_DEVICE_PATH_SIZE], int *ret,
		     struct err *e);

#endif
