// SPDX-License-Identifier: GPL-2.0
/* Nodes of text; see text_node.h. */
#include "text_node.h"

#include "devns.h"

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

/* What one open file has seen. */
struct text_node_handle {
	struct devns_text_node *text;
	int seen;
};

void devns_text_node_init(struct devns_text_node *t,
			  const struct devns_text_node_ops *ops)
{
	t->ops = ops;
	mutex_init(&t->lock);
	init_waitqueue_head(&t->wait);
}

int devns_text_node_add(struct devns_endpoint *ep, struct devns_text_node *t)
{
	t->ep = ep;
	t->denied = true;
	ep->priv = t;
	return devns_node_add(ep, NULL, &devns_text_node_fops);
}

void devns_text_node_deny(struct devns_text_node *t)
{
	mutex_lock(&t->lock);
	t->denied = true;
	mutex_unlock(&t->lock);
	wake_up_interruptible_poll(&t->wait, EPOLLERR | EPOLLHUP);
}

void devns_text_node_allow(struct devns_text_node *t)
{
	mutex_lock(&t->lock);
	t->denied = false;
	mutex_unlock(&t->lock);
}

void devns_text_node_drain(struct devns_endpoint *ep, unsigned long end,
			   struct devns_cut *cut)
{
	cut->handles = atomic_read(&ep->handles);
}

void devns_text_node_notify(struct devns_text_node *t)
{
	atomic_inc(&t->changes);
	wake_up_interruptible_poll(&t->wait, EPOLLPRI | EPOLLERR);
}

static int lock_allowed_node(struct devns_text_node *t)
{
	mutex_lock(&t->lock);
	if (t->denied) {
		mutex_unlock(&t->lock);
		devns_audit_deny(t->ep);
		return -EACCES;
	}
	if (t->ep)
		atomic64_inc(&t->ep->calls);
	return 0;
}

static ssize_t text_node_read(struct file *file, char __user *buf, size_t count,
			      loff_t *pos)
{
	struct text_node_handle *h = file->private_data;
	struct devns_text_node *t = h->text;
	char *page = (char *)get_zeroed_page(GFP_KERNEL);
	ssize_t ret;

	if (!page)
		return -ENOMEM;
	ret = lock_allowed_node(t);
	if (!ret) {
		if (!*pos)
			h->seen = atomic_read(&t->changes);
		ret = t->ops->show ? t->ops->show(t, page) : 0;
		mutex_unlock(&t->lock);
	}
	if (ret > 0)
		ret = simple_read_from_buffer(buf, count, pos, page, ret);
	free_page((unsigned long)page);
	return ret;
}

static ssize_t text_node_write(struct file *file, const char __user *buf,
			       size_t count, loff_t *pos)
{
	struct text_node_handle *h = file->private_data;
	char line[TEXT_NODE_LINE_MAX];
	char *text;
	int err;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, count))
		return -EFAULT;
	line[count] = '\0';
	if (strlen(line) != count)
		return -EINVAL;
	text = strim(line);
	if (!*text)
		return -EINVAL;
	err = lock_allowed_node(h->text);
	if (err)
		return err;
	err = h->text->ops->store ? h->text->ops->store(h->text, text)
				  : -EOPNOTSUPP;
	mutex_unlock(&h->text->lock);
	return err ?: count;
}

static __poll_t text_node_poll(struct file *file, poll_table *table)
{
	struct text_node_handle *h = file->private_data;
	struct devns_text_node *t = h->text;

	poll_wait(file, &t->wait, table);
	if (READ_ONCE(t->denied))
		return EPOLLERR | EPOLLHUP;
	/* As sysfs has it. */
	if (atomic_read(&t->changes) != READ_ONCE(h->seen))
		return DEFAULT_POLLMASK | EPOLLERR | EPOLLPRI;
	return DEFAULT_POLLMASK;
}

int devns_text_node_open(struct file *file, struct devns_text_node *t)
{
	struct text_node_handle *h;

	if (READ_ONCE(t->denied)) {
		devns_audit_deny(t->ep);
		return -EACCES;
	}
	h = kzalloc(sizeof(*h), GFP_KERNEL);
	if (!h)
		return -ENOMEM;
	h->text = t;
	h->seen = atomic_read(&t->changes);
	file->private_data = h;
	if (!t->ep)
		return 0;
	atomic_inc(&t->ep->handles);
	devns_audit_open(t->ep);
	return 0;
}

static int text_node_open(struct inode *inode, struct file *file)
{
	struct devns_endpoint *ep = file->private_data;

	return devns_text_node_open(file, ep->priv);
}

static int text_node_release(struct inode *inode, struct file *file)
{
	struct text_node_handle *h = file->private_data;
	struct devns_endpoint *ep = h->text->ep;

	kfree(h);
	if (ep) {
		atomic_dec(&ep->handles);
		devns_audit_close(ep);
	}
	return 0;
}

const struct file_operations devns_text_node_fops = {
	.owner = THIS_MODULE,
	.open = text_node_open,
	.release = text_node_release,
	.read = text_node_read,
	.write = text_node_write,
	.poll = text_node_poll,
	.llseek = default_llseek,
};
