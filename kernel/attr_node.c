// SPDX-License-Identifier: GPL-2.0-only
/* Attribute nodes; see attr_node.h. */
#include "attr_node.h"

#include "devns.h"

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* What one open file has seen. */
struct attr_node_handle {
	struct devns_attr_node *attr;
	int seen;
};

void devns_attr_node_init(struct devns_attr_node *attr,
			  const struct devns_attr_node_ops *ops)
{
	attr->ops = ops;
	mutex_init(&attr->lock);
	init_waitqueue_head(&attr->wait);
}

int devns_attr_node_add(struct devns_endpoint *ep, struct devns_attr_node *attr)
{
	attr->ep = ep;
	attr->denied = true;
	ep->priv = attr;
	return devns_cdev_add(ep, NULL, &devns_attr_node_fops);
}

void devns_attr_node_deny(struct devns_attr_node *attr)
{
	mutex_lock(&attr->lock);
	attr->denied = true;
	mutex_unlock(&attr->lock);
	wake_up_interruptible_poll(&attr->wait, EPOLLERR | EPOLLHUP);
}

void devns_attr_node_allow(struct devns_attr_node *attr)
{
	mutex_lock(&attr->lock);
	attr->denied = false;
	mutex_unlock(&attr->lock);
}

void devns_attr_node_drain(struct devns_endpoint *ep, unsigned long end,
			   struct devns_revoked *revoked)
{
	revoked->handles = atomic_read(&ep->handles);
}

void devns_attr_node_notify(struct devns_attr_node *attr)
{
	atomic_inc(&attr->changes);
	wake_up_interruptible_poll(&attr->wait, EPOLLPRI | EPOLLERR);
}

static int lock_allowed_attr(struct devns_attr_node *attr)
{
	mutex_lock(&attr->lock);
	if (attr->denied) {
		mutex_unlock(&attr->lock);
		devns_audit_deny(attr->ep);
		return -EACCES;
	}
	if (attr->ep)
		atomic64_inc(&attr->ep->calls);
	return 0;
}

static ssize_t attr_node_read(struct file *file, char __user *buf, size_t count,
			      loff_t *pos)
{
	struct attr_node_handle *h = file->private_data;
	struct devns_attr_node *attr = h->attr;
	char *page = (char *)get_zeroed_page(GFP_KERNEL);
	ssize_t ret;

	if (!page)
		return -ENOMEM;
	ret = lock_allowed_attr(attr);
	if (!ret) {
		if (!*pos)
			h->seen = atomic_read(&attr->changes);
		ret = attr->ops->show ? attr->ops->show(attr, page) : 0;
		mutex_unlock(&attr->lock);
	}
	if (ret > 0)
		ret = simple_read_from_buffer(buf, count, pos, page, ret);
	free_page((unsigned long)page);
	return ret;
}

static ssize_t attr_node_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *pos)
{
	struct attr_node_handle *h = file->private_data;
	char line[ATTR_NODE_LINE_MAX];
	char *value;
	int err;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, count))
		return -EFAULT;
	line[count] = '\0';
	if (strlen(line) != count)
		return -EINVAL;
	value = strim(line);
	if (!*value)
		return -EINVAL;
	err = lock_allowed_attr(h->attr);
	if (err)
		return err;
	err = h->attr->ops->store ? h->attr->ops->store(h->attr, value)
				  : -EOPNOTSUPP;
	mutex_unlock(&h->attr->lock);
	return err ?: count;
}

static __poll_t attr_node_poll(struct file *file, poll_table *table)
{
	struct attr_node_handle *h = file->private_data;
	struct devns_attr_node *attr = h->attr;

	poll_wait(file, &attr->wait, table);
	if (READ_ONCE(attr->denied))
		return EPOLLERR | EPOLLHUP;
	/* As sysfs has it. */
	if (atomic_read(&attr->changes) != READ_ONCE(h->seen))
		return DEFAULT_POLLMASK | EPOLLERR | EPOLLPRI;
	return DEFAULT_POLLMASK;
}

int devns_attr_node_open(struct file *file, struct devns_attr_node *attr)
{
	struct attr_node_handle *h;

	if (READ_ONCE(attr->denied)) {
		devns_audit_deny(attr->ep);
		return -EACCES;
	}
	h = kzalloc(sizeof(*h), GFP_KERNEL);
	if (!h)
		return -ENOMEM;
	h->attr = attr;
	h->seen = atomic_read(&attr->changes);
	file->private_data = h;
	if (!attr->ep)
		return 0;
	atomic_inc(&attr->ep->handles);
	devns_audit_open(attr->ep);
	return 0;
}

static int attr_node_open(struct inode *inode, struct file *file)
{
	struct devns_endpoint *ep = file->private_data;

	return devns_attr_node_open(file, ep->priv);
}

static int attr_node_release(struct inode *inode, struct file *file)
{
	struct attr_node_handle *h = file->private_data;
	struct devns_endpoint *ep = h->attr->ep;

	kfree(h);
	if (ep) {
		atomic_dec(&ep->handles);
		devns_audit_close(ep);
	}
	return 0;
}

const struct file_operations devns_attr_node_fops = {
	.owner = THIS_MODULE,
	.open = attr_node_open,
	.release = attr_node_release,
	.read = attr_node_read,
	.write = attr_node_write,
	.poll = attr_node_poll,
	.llseek = default_llseek,
};
