// SPDX-License-Identifier: GPL-2.0-only
/* Pass-through endpoints and the two kinds of them; passthrough.h has the
 * whole. */
#include "passthrough.h"

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

static void close_revoked_handles(struct work_struct *work)
{
	struct devns_passthrough *p =
		container_of(work, struct devns_passthrough, close_work);
	struct devns_handle *h;

	for (;;) {
		spin_lock(&p->lock);
		h = list_first_entry_or_null(&p->closing, struct devns_handle,
					     link);
		if (h)
			list_del_init(&h->link);
		spin_unlock(&p->lock);
		if (!h)
			return;
		devns_handle_close(h);
	}
}

int devns_passthrough_add(struct devns_endpoint *ep, dev_t real,
			  bool close_on_deny, const struct devns_filter *filter,
			  struct netlink_ext_ack *ack)
{
	struct devns_passthrough *p = kzalloc(sizeof(*p), GFP_KERNEL);
	int err;

	if (!p)
		return -ENOMEM;
	p->ep = ep;
	p->real = real;
	p->close_on_deny = close_on_deny;
	p->filter = filter;
	p->ioctl_rules = devns_ioctls_find_rules(real);
	p->denied = true;
	spin_lock_init(&p->lock);
	init_rwsem(&p->faults);
	init_waitqueue_head(&p->drained);
	INIT_WORK(&p->close_work, close_revoked_handles);
	INIT_LIST_HEAD(&p->calls);
	INIT_LIST_HEAD(&p->open);
	INIT_LIST_HEAD(&p->closed);
	INIT_LIST_HEAD(&p->closing);
	p->inode = devns_real_device_new_inode();
	if (IS_ERR(p->inode)) {
		err = PTR_ERR(p->inode);
		kfree(p);
		return err;
	}
	ep->pass = p;
	err = devns_cdev_add(ep, NULL, &devns_passthrough_fops);
	if (err)
		NL_SET_ERR_MSG(ack, "the endpoint's node cannot be made");
	return err;
}

void devns_passthrough_free(struct devns_endpoint *ep)
{
	struct devns_passthrough *p = ep->pass;

	if (!p)
		return;
	iput(p->inode);
	kfree(p);
}

static void unmap_pass_pages(struct devns_passthrough *p)
{
	if (p->revoked.mappings)
		unmap_mapping_range(p->inode->i_mapping, 0, 0, 1);
}

void devns_passthrough_deny(struct devns_endpoint *ep)
{
	struct devns_passthrough *p = ep->pass;
	struct devns_handle *h;

	spin_lock(&p->lock);
	p->denied = true;
	/* Now: a notified program may be gone before the wait is over. */
	p->revoked.mappings = atomic_read(&ep->mappings);
	p->revoked.handles = 0;
	devns_inflight_interrupt(p);
	list_for_each_entry (h, &p->open, link) {
		p->revoked.handles++;
		wake_up_poll(&h->wait, EPOLLERR | EPOLLHUP);
		kill_fasync(&h->fasync, SIGIO, POLL_HUP);
	}
	spin_unlock(&p->lock);
	/* Who puts in a page has done so; the next see it. */
	down_write(&p->faults);
	up_write(&p->faults);
	unmap_pass_pages(p);
}

/* Hands every open handle to the worker, or to its last call. */
static void close_all_handles(struct devns_passthrough *p)
{
	struct devns_handle *h, *tmp;

	spin_lock(&p->lock);
	list_for_each_entry_safe (h, tmp, &p->open, link) {
		if (h->closing)
			continue;
		h->closing = true;
		kref_get(&h->ref);
		if (!h->calls)
			list_move_tail(&h->link, &p->closing);
	}
	if (!list_empty(&p->closing))
		queue_work(devns_wq, &p->close_work);
	spin_unlock(&p->lock);
}

void devns_passthrough_drain(struct devns_endpoint *ep, unsigned long end,
			     struct devns_revoked *revoked)
{
	struct devns_passthrough *p = ep->pass;

	*revoked = p->revoked;
	revoked->killed = devns_inflight_drain(p, end);
	/* What a driver's fault handler has put in by itself since. */
	unmap_pass_pages(p);
	if (p->close_on_deny)
		close_all_handles(p);
}

void devns_passthrough_finish(struct devns_endpoint *ep)
{
	flush_work(&ep->pass->close_work);
}

static void wake_handle_waiters(struct list_head *handles)
{
	struct devns_handle *h;

	list_for_each_entry (h, handles, link) {
		wake_up_poll(&h->wait, EPOLLIN | EPOLLOUT);
		kill_fasync(&h->fasync, SIGIO, POLL_IN);
	}
}

void devns_passthrough_allow(struct devns_endpoint *ep)
{
	struct devns_passthrough *p = ep->pass;

	spin_lock(&p->lock);
	p->denied = p->gone;
	/*
	 * Who waits may ask again, and so opens a device that was cut: waiters
	 * for edges and readers of signals hear of it in no other way.
	 */
	if (!p->gone) {
		wake_handle_waiters(&p->open);
		wake_handle_waiters(&p->closed);
	}
	spin_unlock(&p->lock);
}

/* For good, whatever the kind: the real device may be about to go. */
void devns_passthrough_del(struct devns_endpoint *ep)
{
	struct devns_passthrough *p = ep->pass;

	spin_lock(&p->lock);
	p->gone = true;
	spin_unlock(&p->lock);
	close_all_handles(p);
	flush_work(&p->close_work);
}

static int cut_endpoint_add(struct devns_endpoint *ep,
			    struct netlink_ext_ack *ack)
{
	return devns_passthrough_add(ep, ep->source->devt, true, NULL, ack);
}

static int suspend_endpoint_add(struct devns_endpoint *ep,
				struct netlink_ext_ack *ack)
{
	return devns_passthrough_add(ep, ep->source->devt, false, NULL, ack);
}

/* They differ in whether the real device is closed in between. */
#define PASS_OPS(add)                                                          \
	{                                                                      \
		.has_devt = true, .endpoint_add = add,                         \
		.endpoint_del = devns_passthrough_del,                         \
		.endpoint_free = devns_passthrough_free,                       \
		.deny = devns_passthrough_deny,                                \
		.drain = devns_passthrough_drain,                              \
		.finish = devns_passthrough_finish,                            \
		.allow = devns_passthrough_allow,                              \
	}

const struct devns_kind_ops devns_kind_cut = PASS_OPS(cut_endpoint_add);
const struct devns_kind_ops devns_kind_suspend = PASS_OPS(suspend_endpoint_add);
