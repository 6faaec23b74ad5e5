// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources: the real devices that user space has given. Adding one gives each
 * namespace an endpoint or, where one cannot be made, none: nothing half done.
 */
#include "devns.h"
#include "real_device.h"

#include <linux/err.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

LIST_HEAD(devns_source_devices);

struct devns_source_device *devns_source_device_find(u32 id)
{
	struct devns_source_device *s;

	list_for_each_entry (s, &devns_source_devices, link)
		if (s->id == id)
			return s;
	return NULL;
}

static int check_duplicate_source(const struct devns_source_device *want,
				  struct netlink_ext_ack *ack)
{
	struct devns_source_device *s;

	list_for_each_entry (s, &devns_source_devices, link) {
		if (!strcmp(s->node, want->node)) {
			NL_SET_ERR_MSG(ack, "a source has this node already");
			return -EEXIST;
		}
		if (want->devt && s->devt == want->devt &&
		    s->kind == want->kind) {
			NL_SET_ERR_MSG(ack, "a source has this device already");
			return -EEXIST;
		}
	}
	return 0;
}

static u32 find_free_source_id(void)
{
	/* Never given twice, so that a late request hits nothing new. */
	static u32 last;

	do {
		last++;
	} while (!last || devns_source_device_find(last));
	return last;
}

static int check_source_kind(const struct devns_source_device *want,
			     const struct devns_kind_ops **ret,
			     struct netlink_ext_ack *ack)
{
	const struct devns_kind_ops *ops = devns_kind_get(want->kind);

	if (!ops) {
		NL_SET_ERR_MSG(ack, "this module lacks that kind");
		return -EOPNOTSUPP;
	}
	if (ops->has_devt && !want->devt) {
		NL_SET_ERR_MSG(ack, "a source of this kind needs a device");
		return -EINVAL;
	}
	if (!ops->has_devt && want->devt) {
		NL_SET_ERR_MSG(ack, "a source of this kind has no device");
		return -EINVAL;
	}
	*ret = ops;
	return check_duplicate_source(want, ack);
}

static int check_foreign_node(struct device *dev, void *unused)
{
	return devns_cdev_is_ours(dev) ? -EISDIR : 0;
}

static int check_real_device(dev_t devt, struct netlink_ext_ack *ack)
{
	int err = devt ? devns_real_device_call(devt, check_foreign_node, NULL)
		       : 0;

	switch (err) {
	case -ENXIO:
		NL_SET_ERR_MSG(ack,
			       "there is no character device of this number");
		return err;
	case -EOPNOTSUPP:
		NL_SET_ERR_MSG(ack, "a block device cannot be passed through");
		return err;
	case -EISDIR:
		NL_SET_ERR_MSG(ack, "an endpoint cannot be a source");
		return -EOPNOTSUPP;
	}
	return err;
}

int devns_source_device_add(const struct devns_source_device *want,
			    struct devns_source_device **ret,
			    struct netlink_ext_ack *ack)
{
	const struct devns_kind_ops *ops;
	struct devns_endpoint *ep, *tmp;
	struct devns_source_device *s;
	struct devns *ns;
	int err;

	err = check_source_kind(want, &ops, ack);
	if (err)
		return err;
	s = kmemdup(want, sizeof(*want), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	if (!try_module_get(THIS_MODULE)) {
		kfree(s);
		return -ENODEV;
	}
	s->ops = ops;
	s->id = find_free_source_id();
	INIT_LIST_HEAD(&s->endpoints);
	err = check_real_device(s->devt, ack);
	if (!err && ops->source_add)
		err = ops->source_add(s, ack);
	if (err)
		goto undo;
	list_for_each_entry (ns, &devns_list, link) {
		err = devns_endpoint_add(ns, s, ack);
		if (err)
			goto undo_endpoints;
	}
	list_add_tail(&s->link, &devns_source_devices);
	if (devns_active && ops->enter)
		ops->enter(s, devns_endpoint_find(s, devns_active));
	devns_policy_apply();
	*ret = s;
	return 0;
undo_endpoints:
	list_for_each_entry_safe (ep, tmp, &s->endpoints, in_source)
		devns_endpoint_del(ep);
	if (ops->source_del)
		ops->source_del(s);
undo:
	kfree(s);
	module_put(THIS_MODULE);
	return err;
}

void devns_source_device_del(struct devns_source_device *s)
{
	struct devns_endpoint *ep, *tmp;

	devns_policy_revoke_source(s);
	if (devns_active && s->ops->leave)
		s->ops->leave(s, devns_endpoint_find(s, devns_active));
	if (devns_active && s->ops->enter)
		s->ops->enter(s, NULL);
	list_for_each_entry_safe (ep, tmp, &s->endpoints, in_source)
		devns_endpoint_del(ep);
	if (s->ops->source_del)
		s->ops->source_del(s);
	list_del(&s->link);
	kfree(s);
	module_put(THIS_MODULE);
}
