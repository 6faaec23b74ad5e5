/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices as sysfs shows them (linux: ABI/stable/sysfs-block). */
#ifndef CELLSD_DEVICE_DISK_H
#define CELLSD_DEVICE_DISK_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The whole disk of a block device, which may be a part of it. 0: the number is
 * of no block device (tmpfs, btrfs, overlay and others have such).
 */
dev_t disk_find_whole(dev_t dev);

/*
 * Whether the host uses the disk that dev is or is a part of: a file system or
 * swap space of it is in use, or another device uses it. What cannot be
 * found out is taken as used.
 */
bool disk_is_in_use(dev_t dev);

#endif
