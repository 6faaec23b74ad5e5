// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real devices. They are opened by number, with an inode of a file system of
 * our own that nobody can reach: no path, no mode of a node and no device
 * program of a control group is asked, for the endpoint's open was the place to
 * ask.
 */
#include "real_device.h"
#include "compat.h"

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/pm.h>
#include <linux/pseudo_fs.h>
#include <linux/string.h>

#define REAL_DEVICE_MAGIC 0x6465766e /* "devn" */

static struct vfsmount *mount;

static int init_device_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, REAL_DEVICE_MAGIC) ? 0 : -ENOMEM;
}

/* No owner: our own mount would pin the module for ever. */
static struct file_system_type fs_type = {
	.name = "devns",
	.init_fs_context = init_device_fs_context,
	.kill_sb = kill_anon_super,
};

int devns_real_device_init(void)
{
	mount = kern_mount(&fs_type);
	return PTR_ERR_OR_ZERO(mount);
}

void devns_real_device_exit(void)
{
	kern_unmount(mount);
}

struct inode *devns_real_device_new_inode(void)
{
	return alloc_anon_inode(mount->mnt_sb);
}

static struct file *open_by_number(dev_t devt, int flags,
				   const struct cred *cred)
{
	struct inode *inode = devns_real_device_new_inode();
	struct path path = { .mnt = mount };
	struct file *file;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	init_special_inode(inode, S_IFCHR | 0600, devt);
	path.dentry = d_obtain_alias(inode);
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	/* Never as somebody's controlling terminal. */
	file = dentry_open(&path, flags | O_NOCTTY, cred);
	dput(path.dentry);
	return file;
}

struct file *devns_real_device_open(dev_t devt, int flags)
{
	return open_by_number(devt, flags | O_LARGEFILE, current_cred());
}

struct file *devns_real_device_open_as(dev_t devt, const struct path *path,
				       const struct file *as)
{
	const int of_the_path = O_CREAT | O_EXCL | O_TRUNC | FASYNC;
	int flags = as->f_flags & ~of_the_path;

	if (path)
		return dentry_open(path, flags | O_NOCTTY, as->f_cred);
	return open_by_number(devt, flags, as->f_cred);
}

u32 devns_real_device_get_ops(const struct file *real)
{
	const struct file_operations *f = real->f_op;

	return BIT(REAL_DEVICE_OP_ANY) |
	       (f->read ? BIT(REAL_DEVICE_OP_READ) : 0) |
	       (f->write ? BIT(REAL_DEVICE_OP_WRITE) : 0) |
	       (f->read_iter ? BIT(REAL_DEVICE_OP_READ_ITER) : 0) |
	       (f->write_iter ? BIT(REAL_DEVICE_OP_WRITE_ITER) : 0) |
	       (f->poll ? BIT(REAL_DEVICE_OP_POLL) : 0) |
	       (f->unlocked_ioctl ? BIT(REAL_DEVICE_OP_IOCTL) : 0) |
	       (f->compat_ioctl ? BIT(REAL_DEVICE_OP_COMPAT_IOCTL) : 0) |
	       (f->mmap ? BIT(REAL_DEVICE_OP_MMAP) : 0) |
	       (f->llseek ? BIT(REAL_DEVICE_OP_LLSEEK) : 0) |
	       (f->fsync ? BIT(REAL_DEVICE_OP_FSYNC) : 0) |
	       (f->fasync ? BIT(REAL_DEVICE_OP_FASYNC) : 0);
}

struct device_search {
	dev_t devt;
	int (*fn)(struct device *dev, void *arg);
	void *arg;
	int err;
};

static void call_matching_device(struct device *dev, void *data)
{
	struct device_search *s = data;

	if (dev->devt != s->devt || s->err >= 0)
		return;
	if (dev->class && !strcmp(dev->class->name, "block"))
		s->err = -EOPNOTSUPP;
	else
		s->err = s->fn(dev, s->arg);
}

/*
 * No list of all devices is exported but that of power management. Its lock is
 * all that keeps the device: a reference would outlast an unplugging, and what
 * then drops the device may be code of a driver that has gone.
 */
int devns_real_device_call(dev_t devt, int (*fn)(struct device *dev, void *arg),
			   void *arg)
{
	struct device_search s = {
		.devt = devt, .fn = fn, .arg = arg, .err = -ENXIO
	};

	dpm_for_each_dev(&s, call_matching_device);
	return s.err;
}
