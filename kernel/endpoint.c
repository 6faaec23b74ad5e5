// SPDX-License-Identifier: GPL-2.0-only
/* Endpoints: what one namespace has of one source. */
#include "devns.h"

#include <linux/slab.h>
#include <linux/string.h>

static void release_endpoint(struct device *dev)
{
	struct devns_endpoint *ep =
		container_of(dev, struct devns_endpoint, dev);

	if (ep->ops->endpoint_free)
		ep->ops->endpoint_free(ep);
	kfree(ep);
}

int devns_endpoint_add(struct devns *ns, struct devns_source_device *s,
		       struct netlink_ext_ack *ack)
{
	struct devns_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL);
	int err;

	if (!ep)
		return -ENOMEM;
	device_initialize(&ep->dev);
	ep->dev.release = release_endpoint;
	ep->ops = s->ops;
	ep->ns = ns;
	ep->source = s;
	ep->ns_id = ns->id;
	ep->classes = s->classes;
	ep->minor = -1;
	INIT_DELAYED_WORK(&ep->deny_work, devns_audit_deny_work);
	spin_lock_init(&ep->deny_lock);
	strscpy(ep->node, s->node, sizeof(ep->node));
	err = ep->ops->endpoint_add ? ep->ops->endpoint_add(ep, ack) : 0;
	if (err) {
		put_device(&ep->dev);
		return err;
	}
	list_add_tail(&ep->in_ns, &ns->endpoints);
	list_add_tail(&ep->in_source, &s->endpoints);
	return 0;
}

void devns_endpoint_del(struct devns_endpoint *ep)
{
	list_del(&ep->in_ns);
	list_del(&ep->in_source);
	devns_cdev_del(ep);
	if (ep->ops->endpoint_del)
		ep->ops->endpoint_del(ep);
	ep->ns = NULL;
	ep->source = NULL;
	devns_audit_end_denials(ep);
	put_device(&ep->dev);
}

struct devns_endpoint *devns_endpoint_find(const struct devns_source_device *s,
					   const struct devns *ns)
{
	struct devns_endpoint *ep;

	list_for_each_entry (ep, &s->endpoints, in_source)
		if (ep->ns == ns)
			return ep;
	return NULL;
}
