// SPDX-License-Identifier: GPL-2.0
/*
 * Poll and SIGIO of a handle. A poll never gives the program's table to the
 * driver, whose queue may end at any denial: an entry of ours is on the
 * driver's queue (a bridge, as KVM's irqfd has) and wakes a queue of the
 * handle's, and the readers of SIGIO.
 */
#include "passthrough.h"

#include <linux/slab.h>

struct bridge {
	wait_queue_entry_t entry;
	wait_queue_head_t *queue; /* NULL: it is gone (POLLFREE) */
	struct devns_handle *handle;
	struct list_head link;
};

struct bridge_poll {
	poll_table table;
	struct devns_handle *handle;
	bool failed;
};

static int handle_driver_wakeup(wait_queue_entry_t *entry, unsigned int mode,
				int sync, void *key)
{
	struct bridge *b = container_of(entry, struct bridge, entry);
	__poll_t flags = key_to_poll(key);
	struct devns_handle *h = b->handle;

	wake_up_poll(&h->wait, flags & ~POLLFREE);
	kill_fasync(&h->fasync, SIGIO,
		    flags & EPOLLOUT && !(flags & EPOLLIN) ? POLL_OUT
							   : POLL_IN);
	if (flags & POLLFREE) {
		list_del_init(&entry->entry);
		/* Last: del no longer waits for the queue's lock then, and
		 * frees the bridge, and its caller the handle. */
		smp_store_release(&b->queue, NULL);
	}
	return 0;
}

static bool is_queue_bridged(const struct devns_handle *h,
			     const wait_queue_head_t *queue)
{
	const struct bridge *b;

	list_for_each_entry (b, &h->bridges, link)
		if (b->queue == queue)
			return true;
	return false;
}

/* What the driver's poll_wait() calls, with a queue of the driver's. */
static void add_queue_bridge(struct file *real, wait_queue_head_t *queue,
			     poll_table *table)
{
	struct bridge_poll *bp = container_of(table, struct bridge_poll, table);
	struct devns_handle *h = bp->handle;
	struct bridge *b;
	bool known;

	spin_lock(&h->bridge_lock);
	known = is_queue_bridged(h, queue);
	spin_unlock(&h->bridge_lock);
	if (known)
		return;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b) {
		bp->failed = true;
		return;
	}
	init_waitqueue_func_entry(&b->entry, handle_driver_wakeup);
	b->handle = h;
	b->queue = queue;
	spin_lock(&h->bridge_lock);
	known = is_queue_bridged(h, queue);
	if (!known)
		list_add(&b->link, &h->bridges);
	spin_unlock(&h->bridge_lock);
	if (known) {
		kfree(b);
		return;
	}
	add_wait_queue(queue, &b->entry);
}

void devns_bridge_del(struct devns_handle *h)
{
	wait_queue_head_t *queue;
	struct bridge *b, *tmp;
	LIST_HEAD(old);

	spin_lock(&h->bridge_lock);
	list_splice_init(&h->bridges, &old);
	spin_unlock(&h->bridge_lock);
	list_for_each_entry_safe (b, tmp, &old, link) {
		/* As epoll: a queue that says POLLFREE lasts for RCU. */
		rcu_read_lock();
		queue = smp_load_acquire(&b->queue);
		if (queue)
			remove_wait_queue(queue, &b->entry);
		rcu_read_unlock();
		kfree(b);
	}
}

__poll_t devns_bridge_poll(struct devns_handle *h, struct file *real,
			   __poll_t events)
{
	struct bridge_poll bp = { .handle = h };
	const struct file_operations *f;
	__poll_t mask;

	init_poll_funcptr(&bp.table, add_queue_bridge);
	/* Some drivers start to work when they are asked for input. */
	bp.table._key = events;
	f = READ_ONCE(real->f_op);
	mask = f->poll ? f->poll(real, &bp.table) : EPOLLERR | EPOLLHUP;
	return bp.failed ? mask | EPOLLERR : mask;
}
