// SPDX-License-Identifier: GPL-2.0-only
/* What the netlink family says: single answers, and dumps. */
#include "netlink_reply.h"
#include "compat.h"
#include "devns.h"
#include "scanout.h"

#include <linux/kdev_t.h>
#include <linux/ktime.h>
#include <net/genetlink.h>

/* Of one namespace's nest of cuts. */
#define CUT_SIZE (6 * nla_total_size(sizeof(u32)))

int devns_netlink_reply_new(struct devns_netlink_reply *r,
			    struct genl_info *info, size_t size)
{
	r->skb = genlmsg_new(size, GFP_KERNEL);
	if (!r->skb)
		return -ENOMEM;
	r->head = genlmsg_put_reply(r->skb, info, &devns_family, 0,
				    info->genlhdr->cmd);
	if (r->head)
		return 0;
	nlmsg_free(r->skb);
	return -EMSGSIZE;
}

int devns_netlink_reply_send(struct devns_netlink_reply *r,
			     struct genl_info *info, int err)
{
	if (err) {
		nlmsg_free(r->skb);
		return err;
	}
	genlmsg_end(r->skb, r->head);
	return genlmsg_reply(r->skb, info);
}

static int put_u64_attr(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, DEVNS_A_PAD);
}

static int put_devt_attrs(struct sk_buff *skb, dev_t devt)
{
	if (!devt)
		return 0;
	return nla_put_u32(skb, DEVNS_A_MAJOR, MAJOR(devt))
		       ?: nla_put_u32(skb, DEVNS_A_MINOR, MINOR(devt));
}

static int put_right_nest(struct sk_buff *skb, u32 cls,
			  struct cells_right right)
{
	struct nlattr *nest = nla_nest_start(skb, DEVNS_A_RIGHT);

	if (!nest || nla_put_u32(skb, DEVNS_A_CLASS, cls) ||
	    nla_put_u8(skb, DEVNS_A_USE, right.use) ||
	    nla_put_u8(skb, DEVNS_A_BLOCK, right.block))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* What it does not name is none, as in POLICY_SET. */
static int put_rights_nest(struct sk_buff *skb, const struct devns *ns)
{
	struct nlattr *nest = nla_nest_start(skb, DEVNS_A_RIGHTS);
	u32 cls;
	int err = nest ? 0 : -EMSGSIZE;

	for (cls = 0; !err && cls < CELLS_CLASS_COUNT; cls++)
		if (ns->rights[cls].use || ns->rights[cls].block)
			err = put_right_nest(skb, cls, ns->rights[cls]);
	if (!err)
		nla_nest_end(skb, nest);
	return err;
}

int devns_netlink_reply_put_ns(struct sk_buff *skb, const struct devns *ns)
{
	const struct devns_endpoint *ep;
	u32 handles = 0, mappings = 0;

	list_for_each_entry (ep, &ns->endpoints, in_ns) {
		handles += atomic_read(&ep->handles);
		mappings += atomic_read(&ep->mappings);
	}
	return nla_put_u32(skb, DEVNS_A_ID, ns->id) ?:
	       nla_put_string(skb, DEVNS_A_NAME, ns->name) ?:
	       nla_put_u32(skb, DEVNS_A_HANDLES, handles) ?:
	       nla_put_u32(skb, DEVNS_A_MAPPINGS, mappings) ?:
	       put_u64_attr(skb, DEVNS_A_GENERATION, devns_generation) ?:
	       put_rights_nest(skb, ns) ?:
	       (ns == devns_active ? nla_put_flag(skb, DEVNS_A_ACTIVE) : 0);
}

static int put_master_attrs(struct sk_buff *skb, struct devns_source_device *s)
{
	struct devns_drm_master master;

	if (!s->ops->get_master || !s->ops->get_master(s, &master))
		return 0;
	return nla_put_u32(skb, DEVNS_A_PID, master.pid)
		       ?: nla_put_string(skb, DEVNS_A_COMM, master.comm);
}

int devns_netlink_reply_put_source(struct sk_buff *skb,
				   struct devns_source_device *s)
{
	return nla_put_u32(skb, DEVNS_A_SOURCE, s->id) ?:
	       nla_put_u32(skb, DEVNS_A_CLASSES, s->classes) ?:
	       nla_put_u32(skb, DEVNS_A_KIND, s->kind) ?:
	       nla_put_string(skb, DEVNS_A_NODE, s->node) ?:
	       put_devt_attrs(skb, s->devt) ?:
	       put_master_attrs(skb, s);
}

static int put_endpoint_attrs(struct sk_buff *skb,
			      const struct devns_endpoint *ep)
{
	return nla_put_u32(skb, DEVNS_A_ID, ep->ns_id) ?:
	       nla_put_u32(skb, DEVNS_A_SOURCE, ep->source->id) ?:
	       nla_put_u32(skb, DEVNS_A_CLASSES, ep->classes) ?:
	       nla_put_u32(skb, DEVNS_A_KIND, ep->source->kind) ?:
	       nla_put_string(skb, DEVNS_A_NODE, ep->node) ?:
	       put_devt_attrs(skb, ep->devt) ?:
	       nla_put_u8(skb, DEVNS_A_ALLOWED, ep->allowed) ?:
	       nla_put_u32(skb, DEVNS_A_HANDLES, atomic_read(&ep->handles)) ?:
	       nla_put_u32(skb, DEVNS_A_MAPPINGS, atomic_read(&ep->mappings));
}

static int put_stat_attrs(struct sk_buff *skb, const struct devns_endpoint *ep)
{
	return nla_put_u32(skb, DEVNS_A_ID, ep->ns_id) ?:
	       nla_put_u32(skb, DEVNS_A_SOURCE, ep->source->id) ?:
	       nla_put_string(skb, DEVNS_A_NODE, ep->node) ?:
	       nla_put_u32(skb, DEVNS_A_HANDLES, atomic_read(&ep->handles)) ?:
	       nla_put_u32(skb, DEVNS_A_MAPPINGS, atomic_read(&ep->mappings)) ?:
	       put_u64_attr(skb, DEVNS_A_OPENS, atomic64_read(&ep->opens)) ?:
	       put_u64_attr(skb, DEVNS_A_DENIALS, atomic64_read(&ep->denials)) ?:
	       put_u64_attr(skb, DEVNS_A_CALLS, atomic64_read(&ep->calls)) ?:
	       put_u64_attr(skb, DEVNS_A_REVOKES, atomic64_read(&ep->revokes));
}

static int put_cut_nest(struct sk_buff *skb, u32 id, u32 cls,
			const struct devns_revoked *revoked)
{
	struct nlattr *nest = nla_nest_start(skb, DEVNS_A_CUT);

	if (!nest || nla_put_u32(skb, DEVNS_A_ID, id) ||
	    nla_put_u32(skb, DEVNS_A_CLASS, cls) ||
	    nla_put_u32(skb, DEVNS_A_HANDLES, revoked->handles) ||
	    nla_put_u32(skb, DEVNS_A_MAPPINGS, revoked->mappings) ||
	    nla_put_u32(skb, DEVNS_A_KILLED, revoked->killed))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static bool is_class_revoked(const struct devns_revoked *revoked)
{
	return revoked->handles || revoked->mappings;
}

/* How many namespaces and classes were cut; the latter to be put in. */
static size_t count_cuts_size(void)
{
	const struct devns *ns;
	size_t size = 0;
	u32 cls;

	list_for_each_entry (ns, &devns_list, link) {
		for (cls = 0; cls < CELLS_CLASS_COUNT; cls++)
			if (is_class_revoked(&ns->revoked[cls]))
				size += CUT_SIZE;
		size += nla_total_size(0);
	}
	return size;
}

static int put_namespace_cuts(struct sk_buff *skb, const struct devns *ns)
{
	struct nlattr *nest = NULL;
	u32 cls;

	for (cls = 0; cls < CELLS_CLASS_COUNT; cls++) {
		if (!is_class_revoked(&ns->revoked[cls]))
			continue;
		if (!nest)
			nest = nla_nest_start(skb, DEVNS_A_CUTS);
		if (!nest || put_cut_nest(skb, ns->id, cls, &ns->revoked[cls]))
			return -EMSGSIZE;
	}
	if (nest)
		nla_nest_end(skb, nest);
	return 0;
}

int devns_netlink_reply_send_change(struct genl_info *info, u64 start)
{
	u64 took = ktime_get_ns() - start;
	const struct devns *ns;
	struct devns_netlink_reply r;
	int err;

	err = devns_netlink_reply_new(&r, info,
				      DEVNS_MSG_SIZE + count_cuts_size());
	if (err)
		return err;
	err = nla_put_u32(r.skb, DEVNS_A_ID,
			  devns_active ? devns_active->id : 0) ?:
	      put_u64_attr(r.skb, DEVNS_A_GENERATION, devns_generation) ?:
	      put_u64_attr(r.skb, DEVNS_A_TOOK, took);
	list_for_each_entry (ns, &devns_list, link)
		if (!err)
			err = put_namespace_cuts(r.skb, ns);
	return devns_netlink_reply_send(&r, info, err);
}

/* ---- dumps: cb->args[0] and [1] are where the last part ended */

static void *start_dump_message(struct sk_buff *skb,
				struct netlink_callback *cb, u8 cmd)
{
	return genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			   &devns_family, NLM_F_MULTI, cmd);
}

/* Answers whether the message is whole; else it is taken back. */
static bool end_dump_message(struct sk_buff *skb, void *head, int err)
{
	if (!head)
		return false;
	if (err) {
		genlmsg_cancel(skb, head);
		return false;
	}
	genlmsg_end(skb, head);
	return true;
}

int devns_netlink_reply_dump_ns(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	struct devns *ns;
	void *head;

	mutex_lock(&devns_mutex);
	list_for_each_entry (ns, &devns_list, link) {
		if (ns->id <= cb->args[0])
			continue;
		head = start_dump_message(skb, cb, DEVNS_CMD_NS_GET);
		if (!end_dump_message(skb, head,
				      head ? devns_netlink_reply_put_ns(skb, ns)
					   : 0))
			break;
		cb->args[0] = ns->id;
	}
	mutex_unlock(&devns_mutex);
	return skb->len;
}

int devns_netlink_reply_dump_sources(struct sk_buff *skb,
				     struct netlink_callback *cb)
{
	struct devns_source_device *s;
	void *head;
	long n = 0;

	mutex_lock(&devns_mutex);
	list_for_each_entry (s, &devns_source_devices, link) {
		if (n++ < cb->args[0])
			continue;
		head = start_dump_message(skb, cb, DEVNS_CMD_DEVICE_GET);
		if (!end_dump_message(
			    skb, head,
			    head ? devns_netlink_reply_put_source(skb, s) : 0))
			break;
		cb->args[0] = n;
	}
	mutex_unlock(&devns_mutex);
	return skb->len;
}

static bool is_requested_endpoint(struct netlink_callback *cb,
				  const struct devns_endpoint *ep)
{
	struct nlattr *const *attrs = compat_dump_attrs(cb);

	if (attrs && attrs[DEVNS_A_ID] &&
	    nla_get_u32(attrs[DEVNS_A_ID]) != ep->ns_id)
		return false;
	return !attrs || !attrs[DEVNS_A_SOURCE] ||
	       nla_get_u32(attrs[DEVNS_A_SOURCE]) == ep->source->id;
}

static int dump_all_endpoints(struct sk_buff *skb, struct netlink_callback *cb,
			      u8 cmd,
			      int (*put)(struct sk_buff *skb,
					 const struct devns_endpoint *ep))
{
	struct devns_endpoint *ep;
	struct devns *ns;
	void *head;
	long n;

	mutex_lock(&devns_mutex);
	list_for_each_entry (ns, &devns_list, link) {
		if (ns->id < cb->args[0])
			continue;
		if (ns->id > cb->args[0])
			cb->args[1] = 0;
		cb->args[0] = ns->id;
		n = 0;
		list_for_each_entry (ep, &ns->endpoints, in_ns) {
			if (n++ < cb->args[1])
				continue;
			if (is_requested_endpoint(cb, ep)) {
				head = start_dump_message(skb, cb, cmd);
				if (!end_dump_message(skb, head,
						      head ? put(skb, ep) : 0))
					goto full;
			}
			cb->args[1] = n;
		}
	}
full:
	mutex_unlock(&devns_mutex);
	return skb->len;
}

int devns_netlink_reply_dump_endpoints(struct sk_buff *skb,
				       struct netlink_callback *cb)
{
	return dump_all_endpoints(skb, cb, DEVNS_CMD_ENDPOINT_GET,
				  put_endpoint_attrs);
}

int devns_netlink_reply_dump_stats(struct sk_buff *skb,
				   struct netlink_callback *cb)
{
	return dump_all_endpoints(skb, cb, DEVNS_CMD_STAT_GET, put_stat_attrs);
}
