/* SPDX-License-Identifier: GPL-2.0 */
/* Real devices, opened by number: no path, so no /dev of any devns matters. */
#ifndef DEVNS_REAL_H
#define DEVNS_REAL_H

#include <linux/types.h>

struct file;
struct inode;

int devns_real_init(void);
void devns_real_exit(void);

/* A character device; an ERR_PTR tells what its driver said. */
struct file *devns_real_open(dev_t devt, int flags);

/* An inode with an address space, for mappings; the caller puts it. */
struct inode *devns_real_inode(void);

#endif
