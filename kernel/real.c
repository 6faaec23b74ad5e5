// SPDX-License-Identifier: GPL-2.0
/*
 * Opens real devices by their number, on a file system of our own that is
 * mounted nowhere: no path, no /dev and no device cgroup has a say in it.
 */
#include "real.h"

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#define REAL_MAGIC 0x6465766e /* "devn" */

static struct vfsmount *mnt;

static int real_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, REAL_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type real_type = {
	.name = "devns",
	.owner = THIS_MODULE,
	.init_fs_context = real_init_context,
	.kill_sb = kill_anon_super,
};

int devns_real_init(void)
{
	mnt = kern_mount(&real_type);
	return PTR_ERR_OR_ZERO(mnt);
}

void devns_real_exit(void)
{
	kern_unmount(mnt);
}

struct inode *devns_real_inode(void)
{
	return alloc_anon_inode(mnt->mnt_sb);
}

struct file *devns_real_open(dev_t devt, int flags)
{
	struct inode *inode = devns_real_inode();
	struct path path = { .mnt = mnt };
	struct file *file;

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	init_special_inode(inode, S_IFCHR | 0600, devt);
	path.dentry = d_obtain_alias(inode);
	if (IS_ERR(path.dentry))
		return ERR_CAST(path.dentry);
	file = dentry_open(&path, flags | O_LARGEFILE | O_NOCTTY,
			   current_cred());
	dput(path.dentry);
	return file;
}
