/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices as sysfs tells of them (linux: ABI/stable/sysfs-block). */
#ifndef CELLSD_DISK_H
#define CELLSD_DISK_H

#include <sys/types.h>

/*
 * The whole disk of a block device, which may be a part of it. 0: the number is
 * of no block device (tmpfs, btrfs, overlay and others have such).
 */
dev_t disk_whole(dev_t dev);

#endif
