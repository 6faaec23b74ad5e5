// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces. One is made empty of rights and with an endpoint of each source;
 * it is bound to no process: who opens its endpoints is in it. Each pins the
 * module, so that an unload in use is refused.
 */
#include "devns.h"

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

LIST_HEAD(devns_list);
struct devns *devns_active;

struct devns *devns_ns_find(u32 id)
{
	struct devns *ns;

	list_for_each_entry (ns, &devns_list, link)
		if (ns->id == id)
			return ns;
	return NULL;
}

static struct devns *find_ns_by_name(const char *name)
{
	struct devns *ns;

	list_for_each_entry (ns, &devns_list, link)
		if (!strcmp(ns->name, name))
			return ns;
	return NULL;
}

/* The list is in the order of ids; the least free one, and where it belongs. */
static u32 find_free_ns_id(struct list_head **before)
{
	struct devns *ns;
	u32 id = 1;

	*before = &devns_list;
	list_for_each_entry (ns, &devns_list, link) {
		if (ns->id != id) {
			*before = &ns->link;
			break;
		}
		id++;
	}
	return id;
}

int devns_ns_add(const char *name, struct devns **ret,
		 struct netlink_ext_ack *ack)
{
	struct devns_endpoint *ep, *tmp;
	struct devns_source_device *s;
	struct list_head *before;
	struct devns *ns;
	int err;

	if (find_ns_by_name(name)) {
		NL_SET_ERR_MSG(ack, "a namespace has this name already");
		return -EEXIST;
	}
	ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	if (!ns)
		return -ENOMEM;
	ns->id = find_free_ns_id(&before);
	if (ns->id > DEVNS_ID_MAX) {
		NL_SET_ERR_MSG(ack, "there are as many namespaces as can be");
		kfree(ns);
		return -ENOSPC;
	}
	if (!try_module_get(THIS_MODULE)) {
		kfree(ns);
		return -ENODEV;
	}
	strscpy(ns->name, name, sizeof(ns->name));
	INIT_LIST_HEAD(&ns->endpoints);
	list_for_each_entry (s, &devns_source_devices, link) {
		err = devns_endpoint_add(ns, s, ack);
		if (err)
			goto undo;
	}
	list_add_tail(&ns->link, before);
	*ret = ns;
	return 0;
undo:
	list_for_each_entry_safe (ep, tmp, &ns->endpoints, in_ns)
		devns_endpoint_del(ep);
	kfree(ns);
	module_put(THIS_MODULE);
	return err;
}

void devns_ns_del(struct devns *ns)
{
	struct devns_endpoint *ep, *tmp;

	if (ns == devns_active)
		devns_policy_set_foreground(NULL);
	devns_policy_revoke_ns(ns);
	list_for_each_entry_safe (ep, tmp, &ns->endpoints, in_ns)
		devns_endpoint_del(ep);
	list_del(&ns->link);
	kfree(ns);
	module_put(THIS_MODULE);
}
