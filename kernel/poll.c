// SPDX-License-Identifier: GPL-2.0-only
/*
 * Poll and SIGIO of a handle. A poll never gives the program's table to the
 * driver, whose queue may end at any denial: an entry of ours is on the
 * driver's queue (as KVM's irqfd has one) and wakes a queue of the
 * handle's, and the readers of SIGIO.
 */
#include "passthrough.h"

#include <linux/slab.h>

struct poll_entry {
	wait_queue_entry_t wait;
	wait_queue_head_t *queue; /* NULL: it is gone (POLLFREE) */
	struct devns_handle *handle;
	struct list_head link;
};

struct poll_forward {
	poll_table table;
	struct devns_handle *handle;
	bool failed;
};

static int handle_driver_wakeup(wait_queue_entry_t *wait, unsigned int mode,
				int sync, void *key)
{
	struct poll_entry *e = container_of(wait, struct poll_entry, wait);
	__poll_t flags = key_to_poll(key);
	struct devns_handle *h = e->handle;

	wake_up_poll(&h->wait, flags & ~POLLFREE);
	kill_fasync(&h->fasync, SIGIO,
		    flags & EPOLLOUT && !(flags & EPOLLIN) ? POLL_OUT
							   : POLL_IN);
	if (flags & POLLFREE) {
		list_del_init(&wait->entry);
		/* Last: del no longer waits for the queue's lock then, and
		 * frees the entry, and its caller the handle. */
		smp_store_release(&e->queue, NULL);
	}
	return 0;
}

static bool is_queue_polled(const struct devns_handle *h,
			    const wait_queue_head_t *queue)
{
	const struct poll_entry *e;

	list_for_each_entry (e, &h->poll_entries, link)
		if (e->queue == queue)
			return true;
	return false;
}

/* What the driver's poll_wait() calls, with a queue of the driver's. */
static void add_poll_entry(struct file *real, wait_queue_head_t *queue,
			   poll_table *table)
{
	struct poll_forward *pf =
		container_of(table, struct poll_forward, table);
	struct devns_handle *h = pf->handle;
	struct poll_entry *e;
	bool known;

	spin_lock(&h->poll_lock);
	known = is_queue_polled(h, queue);
	spin_unlock(&h->poll_lock);
	if (known)
		return;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e) {
		pf->failed = true;
		return;
	}
	init_waitqueue_func_entry(&e->wait, handle_driver_wakeup);
	e->handle = h;
	e->queue = queue;
	spin_lock(&h->poll_lock);
	known = is_queue_polled(h, queue);
	if (!known)
		list_add(&e->link, &h->poll_entries);
	spin_unlock(&h->poll_lock);
	if (known) {
		kfree(e);
		return;
	}
	add_wait_queue(queue, &e->wait);
}

void devns_poll_detach(struct devns_handle *h)
{
	wait_queue_head_t *queue;
	struct poll_entry *e, *tmp;
	LIST_HEAD(old);

	spin_lock(&h->poll_lock);
	list_splice_init(&h->poll_entries, &old);
	spin_unlock(&h->poll_lock);
	list_for_each_entry_safe (e, tmp, &old, link) {
		/* As epoll: a queue that says POLLFREE lasts for RCU. */
		rcu_read_lock();
		queue = smp_load_acquire(&e->queue);
		if (queue)
			remove_wait_queue(queue, &e->wait);
		rcu_read_unlock();
		kfree(e);
	}
}

__poll_t devns_poll_forward(struct devns_handle *h, struct file *real,
			    __poll_t events)
{
	struct poll_forward pf = { .handle = h };
	const struct file_operations *f;
	__poll_t mask;

	init_poll_funcptr(&pf.table, add_poll_entry);
	/* Some drivers start to work when they are asked for input. */
	pf.table._key = events;
	f = READ_ONCE(real->f_op);
	mask = f->poll ? f->poll(real, &pf.table) : EPOLLERR | EPOLLHUP;
	return pf.failed ? mask | EPOLLERR : mask;
}
