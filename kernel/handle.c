// SPDX-License-Identifier: GPL-2.0-only
/* Handles: what a program has open of a pass-through endpoint. */
#include "passthrough.h"

#include <linux/file.h>
#include <linux/slab.h>

struct devns_handle *devns_handle_new(struct devns_endpoint *ep,
				      struct file *file)
{
	struct devns_handle *h = kzalloc(sizeof(*h), GFP_KERNEL);

	if (!h)
		return NULL;
	kref_init(&h->ref);
	get_device(&ep->dev);
	h->pass = ep->pass;
	h->file = file;
	mutex_init(&h->opening);
	mutex_init(&h->maps_lock);
	INIT_LIST_HEAD(&h->maps);
	init_waitqueue_head(&h->wait);
	spin_lock_init(&h->poll_lock);
	INIT_LIST_HEAD(&h->poll_entries);
	spin_lock(&h->pass->lock);
	list_add(&h->link, &h->pass->closed);
	spin_unlock(&h->pass->lock);
	return h;
}

static void free_handle(struct kref *ref)
{
	struct devns_handle *h = container_of(ref, struct devns_handle, ref);
	struct devns_endpoint *ep = h->pass->ep;

	mutex_destroy(&h->opening);
	mutex_destroy(&h->maps_lock);
	kfree(h);
	put_device(&ep->dev);
}

void devns_handle_get(struct devns_handle *h)
{
	kref_get(&h->ref);
}

void devns_handle_put(struct devns_handle *h)
{
	kref_put(&h->ref, free_handle);
}

void devns_handle_release(struct devns_handle *h)
{
	struct devns_passthrough *p = h->pass;
	struct file *real = NULL;

	spin_lock(&p->lock);
	h->released = true;
	/* Else the worker has it, or gets it. */
	if (!h->closing) {
		real = h->real;
		h->real = NULL;
		list_del_init(&h->link);
	}
	spin_unlock(&p->lock);
	if (real) {
		devns_poll_detach(h);
		fput(real);
	}
	devns_handle_put(h);
}

void devns_handle_close(struct devns_handle *h)
{
	struct devns_passthrough *p = h->pass;
	struct file *real;

	devns_mapping_close(h);
	devns_poll_detach(h);
	spin_lock(&p->lock);
	real = h->real;
	h->real = NULL;
	spin_unlock(&p->lock);
	/* A worker may, and only then it is closed when this returns. */
	__fput_sync(real);
	spin_lock(&p->lock);
	h->closing = false;
	if (h->released)
		list_del_init(&h->link);
	else
		list_move(&h->link, &p->closed);
	spin_unlock(&p->lock);
	devns_handle_put(h);
}
