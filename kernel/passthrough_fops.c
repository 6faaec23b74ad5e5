// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of a pass-through endpoint. A handle has just the operations that
 * its real file has, since the kernel and programs draw conclusions from what
 * is missing; tables are made for each set of operations and live until the
 * module goes, for a closed file's table is still looked at.
 */
#include "compat.h"
#include "passthrough.h"

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/fcntl.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#define REAL_MODES (FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_STREAM)

struct fops_table {
	struct file_operations fops;
	u32 ops;
	struct list_head link;
};

static LIST_HEAD(tables);
static DEFINE_MUTEX(tables_lock);

/*
 * What a real file offers it may lose: an unplugged sound card or a hung-up
 * terminal gets other operations, some of which are missing.
 */
#define REAL_CALL(ret, real, op, ...)                                          \
	do {                                                                   \
		const struct file_operations *f_ = READ_ONCE((real)->f_op);    \
		(ret) = f_->op ? f_->op(__VA_ARGS__) : -ENODEV;                \
	} while (0)

/* ---- calls */

/* The flag that a program may change at any time. */
static void copy_nonblock_flag(const struct file *file, struct file *real)
{
	unsigned int flag = READ_ONCE(file->f_flags) & O_NONBLOCK;

	if (likely((READ_ONCE(real->f_flags) & O_NONBLOCK) == flag))
		return;
	spin_lock(&real->f_lock);
	real->f_flags = (real->f_flags & ~O_NONBLOCK) | flag;
	spin_unlock(&real->f_lock);
}

static int begin_file_call(struct file *file, struct devns_call *call)
{
	int err = devns_inflight_begin(file->private_data, call, true);

	if (!err)
		copy_nonblock_flag(file, call->real);
	return err;
}

static ssize_t pass_read(struct file *file, char __user *buf, size_t len,
			 loff_t *pos)
{
	struct devns_call call;
	ssize_t ret = begin_file_call(file, &call);

	if (ret)
		return ret;
	REAL_CALL(ret, call.real, read, call.real, buf, len, pos);
	return devns_inflight_end(&call, ret);
}

static ssize_t pass_write(struct file *file, const char __user *buf, size_t len,
			  loff_t *pos)
{
	struct devns_handle *h = file->private_data;
	const struct devns_filter *filter = h->pass->filter;
	struct devns_call call;
	ssize_t ret = begin_file_call(file, &call);

	if (ret)
		return ret;
	if (filter && filter->write)
		ret = filter->write(h->pass->ep, buf, len);
	else
		REAL_CALL(ret, call.real, write, call.real, buf, len, pos);
	return devns_inflight_end(&call, ret);
}

static void init_inner_kiocb(struct kiocb *inner, const struct kiocb *outer,
			     struct file *real)
{
	init_sync_kiocb(inner, real);
	inner->ki_pos = outer->ki_pos;
}

static ssize_t pass_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct kiocb inner;
	struct devns_call call;
	ssize_t ret;

	/* The driver may sleep; a caller that must not comes another way. */
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	ret = begin_file_call(iocb->ki_filp, &call);
	if (ret)
		return ret;
	init_inner_kiocb(&inner, iocb, call.real);
	REAL_CALL(ret, call.real, read_iter, &inner, iter);
	iocb->ki_pos = inner.ki_pos;
	return devns_inflight_end(&call, ret);
}

static ssize_t pass_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	struct devns_handle *h = iocb->ki_filp->private_data;
	struct kiocb inner;
	struct devns_call call;
	ssize_t ret;

	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	/* A filter sees no vectors. */
	if (h->pass->filter && h->pass->filter->write)
		return -EINVAL;
	ret = begin_file_call(iocb->ki_filp, &call);
	if (ret)
		return ret;
	init_inner_kiocb(&inner, iocb, call.real);
	REAL_CALL(ret, call.real, write_iter, &inner, iter);
	iocb->ki_pos = inner.ki_pos;
	return devns_inflight_end(&call, ret);
}

/* The real terminal would be shut to the other namespaces and the host too. */
static long handle_exclusive_ioctl(struct devns_passthrough *p,
				   unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case TIOCEXCL:
	case TIOCNXCL:
		WRITE_ONCE(p->exclusive, cmd == TIOCEXCL);
		return 0;
	case TIOCGEXCL:
		return put_user((int)READ_ONCE(p->exclusive),
				(int __user *)arg);
	}
	return -ENOIOCTLCMD;
}

/* -ENOIOCTLCMD: it is for the driver, and the call has started. */
static long begin_ioctl_call(struct file *file, struct devns_call *call,
			     unsigned int cmd, unsigned long arg)
{
	struct devns_handle *h = file->private_data;
	long ret = -ENOIOCTLCMD;
	int err = begin_file_call(file, call);

	if (err)
		return err;
	if (h->pass->ioctl_rules->is_tty)
		ret = handle_exclusive_ioctl(h->pass, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = devns_ioctls_check(h->pass, call->real, cmd, arg)
			      ?: -ENOIOCTLCMD;
	return ret == -ENOIOCTLCMD ? ret : devns_inflight_end(call, ret);
}

static long pass_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct devns_call call;
	long ret = begin_ioctl_call(file, &call, cmd, arg);

	if (ret != -ENOIOCTLCMD)
		return ret;
	REAL_CALL(ret, call.real, unlocked_ioctl, call.real, cmd, arg);
	return devns_inflight_end(&call, ret);
}

#ifdef CONFIG_COMPAT
static long pass_compat_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct devns_call call;
	long ret = begin_ioctl_call(file, &call, cmd,
				    (unsigned long)compat_ptr(arg));

	if (ret != -ENOIOCTLCMD)
		return ret;
	REAL_CALL(ret, call.real, compat_ioctl, call.real, cmd, arg);
	return devns_inflight_end(&call, ret);
}
#endif

static loff_t pass_llseek(struct file *file, loff_t offset, int whence)
{
	struct devns_call call;
	loff_t ret = begin_file_call(file, &call);

	if (ret)
		return ret;
	call.real->f_pos = file->f_pos;
	REAL_CALL(ret, call.real, llseek, call.real, offset, whence);
	file->f_pos = call.real->f_pos;
	/* Not through the end's long, which may be shorter. */
	return devns_inflight_end(&call, ret < 0 ? ret : 0) ?: ret;
}

static int pass_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct devns_call call;
	int ret = begin_file_call(file, &call);

	if (ret)
		return ret;
	REAL_CALL(ret, call.real, fsync, call.real, start, end, datasync);
	return devns_inflight_end(&call, ret);
}

static __poll_t pass_poll(struct file *file, poll_table *table)
{
	struct devns_handle *h = file->private_data;
	struct devns_call call;
	__poll_t mask;

	poll_wait(file, &h->wait, table);
	if (devns_inflight_begin(h, &call, true))
		return EPOLLERR | EPOLLHUP;
	copy_nonblock_flag(file, call.real);
	mask = devns_poll_forward(h, call.real, poll_requested_events(table));
	if (devns_inflight_end(&call, call.interrupted ? -EACCES : 0))
		return EPOLLERR | EPOLLHUP;
	return mask;
}

static int pass_fasync(int fd, struct file *file, int on)
{
	struct devns_handle *h = file->private_data;
	int ret = fasync_helper(fd, file, on, &h->fasync);
	struct devns_call call;

	if (ret < 0 || !on || !(h->ops & BIT(REAL_DEVICE_OP_POLL)))
		return ret;
	/* Signals come from the driver's queue: be on it. */
	if (!devns_inflight_begin(h, &call, true)) {
		devns_poll_forward(h, call.real, ~(__force __poll_t)0);
		devns_inflight_end(&call, 0);
	}
	return ret;
}

/* ---- tables */

static int pass_release(struct inode *inode, struct file *file)
{
	struct devns_handle *h = file->private_data;
	struct devns_endpoint *ep = h->pass->ep;

	/* A terminal that nobody has open is nobody's. */
	if (atomic_dec_and_test(&ep->handles))
		WRITE_ONCE(h->pass->exclusive, false);
	devns_audit_close(ep);
	devns_handle_release(h);
	return 0;
}

static void fill_file_operations(struct file_operations *f, u32 ops)
{
	f->owner = THIS_MODULE;
	f->release = pass_release;
	f->read = ops & BIT(REAL_DEVICE_OP_READ) ? pass_read : NULL;
	f->write = ops & BIT(REAL_DEVICE_OP_WRITE) ? pass_write : NULL;
	f->read_iter =
		ops & BIT(REAL_DEVICE_OP_READ_ITER) ? pass_read_iter : NULL;
	f->write_iter =
		ops & BIT(REAL_DEVICE_OP_WRITE_ITER) ? pass_write_iter : NULL;
	f->poll = ops & BIT(REAL_DEVICE_OP_POLL) ? pass_poll : NULL;
	f->unlocked_ioctl = ops & BIT(REAL_DEVICE_OP_IOCTL) ? pass_ioctl : NULL;
#ifdef CONFIG_COMPAT
	f->compat_ioctl = ops & BIT(REAL_DEVICE_OP_COMPAT_IOCTL)
				  ? pass_compat_ioctl
				  : NULL;
#endif
	f->mmap = ops & BIT(REAL_DEVICE_OP_MMAP) ? devns_mapping_mmap : NULL;
	f->llseek = ops & BIT(REAL_DEVICE_OP_LLSEEK) ? pass_llseek : NULL;
	f->fsync = ops & BIT(REAL_DEVICE_OP_FSYNC) ? pass_fsync : NULL;
	f->fasync = ops & BIT(REAL_DEVICE_OP_FASYNC) ? pass_fasync : NULL;
}

/* A reference to operations that have no more than these. */
static const struct file_operations *get_fops_table(u32 ops)
{
	struct fops_table *t;

	mutex_lock(&tables_lock);
	list_for_each_entry (t, &tables, link)
		if (t->ops == ops)
			goto found;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		mutex_unlock(&tables_lock);
		return NULL;
	}
	t->ops = ops;
	fill_file_operations(&t->fops, ops);
	list_add(&t->link, &tables);
found:
	mutex_unlock(&tables_lock);
	return fops_get(&t->fops);
}

void devns_passthrough_fops_exit(void)
{
	struct fops_table *t, *tmp;

	list_for_each_entry_safe (t, tmp, &tables, link)
		kfree(t);
	INIT_LIST_HEAD(&tables);
}

/* ---- open */

static int attach_real_file(struct file *file, struct devns_handle *h,
			    const struct file *real)
{
	const struct file_operations *fops = get_fops_table(h->ops);

	if (!fops)
		return -ENOMEM;
	replace_fops(file, fops);
	file->private_data = h;
	file->f_mode =
		(file->f_mode & ~REAL_MODES) | (real->f_mode & REAL_MODES);
	file->f_pos = real->f_pos;
	file->f_mapping = h->pass->inode->i_mapping;
	return 0;
}

static int pass_open(struct inode *inode, struct file *file)
{
	struct devns_endpoint *ep = file->private_data;
	struct devns_handle *h = devns_handle_new(ep, file);
	struct devns_call call;
	int err;

	if (!h)
		return -ENOMEM;
	err = devns_inflight_begin(h, &call, true);
	if (!err && READ_ONCE(h->pass->exclusive) && !capable(CAP_SYS_ADMIN))
		err = devns_inflight_end(&call, -EBUSY);
	else if (!err)
		err = devns_inflight_end(&call,
					 attach_real_file(file, h, call.real));
	if (err) {
		devns_handle_release(h);
		return err;
	}
	atomic_inc(&ep->handles);
	devns_audit_open(ep);
	return 0;
}

const struct file_operations devns_passthrough_fops = {
	.owner = THIS_MODULE,
	.open = pass_open,
};
