/* SPDX-License-Identifier: GPL-2.0-only */
/* Real devices, opened by number: no path, so no /dev of any devns matters. */
#ifndef DEVNS_REAL_DEVICE_H
#define DEVNS_REAL_DEVICE_H

#include <linux/types.h>

struct device;
struct file;
struct inode;
struct path;

/* What a device may offer who opens it. */
enum devns_real_device_op {
	REAL_DEVICE_OP_READ,
	REAL_DEVICE_OP_WRITE,
	REAL_DEVICE_OP_READ_ITER,
	REAL_DEVICE_OP_WRITE_ITER,
	REAL_DEVICE_OP_POLL,
	REAL_DEVICE_OP_IOCTL,
	REAL_DEVICE_OP_COMPAT_IOCTL,
	REAL_DEVICE_OP_MMAP,
	REAL_DEVICE_OP_LLSEEK,
	REAL_DEVICE_OP_FSYNC,
	REAL_DEVICE_OP_FASYNC,
	REAL_DEVICE_OP_ANY, /* so that no set is 0 */
};

int devns_real_device_init(void);
void devns_real_device_exit(void);

/* A character device; an ERR_PTR has the driver's error. */
struct file *devns_real_device_open(dev_t devt, int flags);
/*
 * With the flags and the rights that another file was opened with. `path`, if
 * it is not NULL, is that of a file that was opened so before.
 */
struct file *devns_real_device_open_as(dev_t devt, const struct path *path,
				       const struct file *as);

/*
 * Calls fn with the device behind a character node; answers what it does, or
 * -ENXIO: there is none, -EOPNOTSUPP: it is a block device. No driver can take
 * the device away meanwhile, and fn keeps no reference.
 */
int devns_real_device_call(dev_t devt, int (*fn)(struct device *dev, void *arg),
			   void *arg);

/*
 * The operations that an open device has now, as bits of the above. Its driver
 * may take some away later.
 */
u32 devns_real_device_get_ops(const struct file *real);

/* An inode with an address space, for mappings; the caller puts it. */
struct inode *devns_real_device_new_inode(void);

#endif
