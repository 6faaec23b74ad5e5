// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: parses requests. Each op has a
 * policy of its own, so an attribute that an op does not know is refused, by
 * name. Everything runs under devns_mutex; the family's ops run in parallel
 * with other families (a revocation may wait).
 */
#include "devns.h"
#include "netlink_reply.h"

#include <linux/kdev_t.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/string.h>
#include <net/genetlink.h>

/* The classes that have a mode `shared`. */
#define SHARED_BIT(sym, name, parent, shared, virt)                            \
	| ((u32)(shared) << CELLS_CLASS_##sym)
static const u32 shared_classes = 0 CELLS_CLASSES(SHARED_BIT);
#undef SHARED_BIT

static int set_request_error(struct genl_info *info, u32 attr, int err,
			     const char *why)
{
	if (info->attrs[attr])
		NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	if (info->extack)
		info->extack->_msg = why;
	return err;
}

static int require_attribute(struct genl_info *info, u32 attr)
{
	if (info->attrs[attr])
		return 0;
	if (info->extack)
		info->extack->_msg = "an attribute is missing";
	return GENL_REQ_ATTR_CHECK(info, attr) ? -EINVAL : 0;
}

/* ---- namespaces */

static struct devns *find_request_ns(struct genl_info *info)
{
	struct devns *ns = devns_ns_find(nla_get_u32(info->attrs[DEVNS_A_ID]));

	if (!ns)
		set_request_error(info, DEVNS_A_ID, 0,
				  "no namespace has this id");
	return ns;
}

static bool is_valid_ns_name(const char *name)
{
	/* It becomes part of messages that people read: what ids may have. */
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

	return *name && *name != '.' && strspn(name, allowed) == strlen(name);
}

static int handle_ns_add(struct sk_buff *skb, struct genl_info *info)
{
	struct devns *ns;
	struct devns_netlink_reply r;
	const char *name;
	int err;

	err = require_attribute(info, DEVNS_A_NAME);
	if (err)
		return err;
	name = nla_data(info->attrs[DEVNS_A_NAME]);
	if (!is_valid_ns_name(name))
		return set_request_error(info, DEVNS_A_NAME, -EINVAL,
					 "a name has a-z, 0-9 and . _ - only");
	err = devns_netlink_reply_new(&r, info, DEVNS_MSG_SIZE);
	if (err)
		return err;
	NL_SET_BAD_ATTR(info->extack, info->attrs[DEVNS_A_NAME]);
	mutex_lock(&devns_mutex);
	err = devns_ns_add(name, &ns, info->extack);
	if (!err)
		err = nla_put_u32(r.skb, DEVNS_A_ID, ns->id);
	mutex_unlock(&devns_mutex);
	return devns_netlink_reply_send(&r, info, err);
}

static int handle_ns_del(struct sk_buff *skb, struct genl_info *info)
{
	struct devns *ns;
	int err = require_attribute(info, DEVNS_A_ID);

	if (err)
		return err;
	mutex_lock(&devns_mutex);
	ns = find_request_ns(info);
	if (ns)
		devns_ns_del(ns);
	mutex_unlock(&devns_mutex);
	return ns ? 0 : -ENOENT;
}

static int handle_ns_get(struct sk_buff *skb, struct genl_info *info)
{
	struct devns *ns;
	struct devns_netlink_reply r;
	int err;

	err = require_attribute(info, DEVNS_A_ID)
		      ?: devns_netlink_reply_new(
				 &r, info, DEVNS_MSG_SIZE + DEVNS_RIGHTS_SIZE);
	if (err)
		return err;
	mutex_lock(&devns_mutex);
	ns = find_request_ns(info);
	err = ns ? devns_netlink_reply_put_ns(r.skb, ns) : -ENOENT;
	mutex_unlock(&devns_mutex);
	return devns_netlink_reply_send(&r, info, err);
}

/* ---- sources */

static bool is_valid_node_path(const char *node)
{
	const char *part = node;

	/* It becomes a path below /dev. */
	for (; *node; node++) {
		if (*node <= ' ' || *node >= 127 || *node == '!')
			return false;
		if (*node == '/') {
			if (node == part)
				return false;
			part = node + 1;
		}
		if (*node == '.' && node == part)
			return false;
	}
	return node != part;
}

static int parse_source_request(struct genl_info *info,
				struct devns_source_device *want)
{
	struct nlattr **attrs = info->attrs;
	int err;

	err = require_attribute(info, DEVNS_A_CLASSES) ?: require_attribute(info, DEVNS_A_KIND) ?:
	      require_attribute(info, DEVNS_A_NODE);
	if (err)
		return err;
	want->classes = nla_get_u32(attrs[DEVNS_A_CLASSES]);
	want->kind = nla_get_u32(attrs[DEVNS_A_KIND]);
	if (!want->classes || want->classes >= BIT(CELLS_CLASS_COUNT))
		return set_request_error(info, DEVNS_A_CLASSES, -EINVAL,
					 "a bit is of an unknown class");
	if (want->kind >= DEVNS_KIND_COUNT_)
		return set_request_error(info, DEVNS_A_KIND, -EINVAL,
					 "no such kind");
	strscpy(want->node, nla_data(attrs[DEVNS_A_NODE]), sizeof(want->node));
	if (!is_valid_node_path(want->node))
		return set_request_error(info, DEVNS_A_NODE, -EINVAL,
					 "not a path below /dev");
	if (!attrs[DEVNS_A_MAJOR] != !attrs[DEVNS_A_MINOR])
		return set_request_error(
			info,
			attrs[DEVNS_A_MAJOR] ? DEVNS_A_MAJOR : DEVNS_A_MINOR,
			-EINVAL, "major and minor go together");
	if (attrs[DEVNS_A_MAJOR])
		want->devt = MKDEV(nla_get_u32(attrs[DEVNS_A_MAJOR]),
				   nla_get_u32(attrs[DEVNS_A_MINOR]));
	return 0;
}

static int handle_source_add(struct sk_buff *skb, struct genl_info *info)
{
	struct devns_source_device want = {}, *s;
	struct devns_netlink_reply r;
	int err;

	err = parse_source_request(info, &want)
		      ?: devns_netlink_reply_new(&r, info, DEVNS_MSG_SIZE);
	if (err)
		return err;
	mutex_lock(&devns_mutex);
	err = devns_source_device_add(&want, &s, info->extack);
	if (!err)
		err = nla_put_u32(r.skb, DEVNS_A_SOURCE, s->id);
	mutex_unlock(&devns_mutex);
	return devns_netlink_reply_send(&r, info, err);
}

static struct devns_source_device *find_request_source(struct genl_info *info)
{
	struct devns_source_device *s = devns_source_device_find(
		nla_get_u32(info->attrs[DEVNS_A_SOURCE]));

	if (!s)
		set_request_error(info, DEVNS_A_SOURCE, 0,
				  "no source has this id");
	return s;
}

static int handle_source_del(struct sk_buff *skb, struct genl_info *info)
{
	struct devns_source_device *s;
	int err = require_attribute(info, DEVNS_A_SOURCE);

	if (err)
		return err;
	mutex_lock(&devns_mutex);
	s = find_request_source(info);
	if (s)
		devns_source_device_del(s);
	mutex_unlock(&devns_mutex);
	return s ? 0 : -ENOENT;
}

static int handle_source_get(struct sk_buff *skb, struct genl_info *info)
{
	struct devns_source_device *s;
	struct devns_netlink_reply r;
	int err;

	err = require_attribute(info, DEVNS_A_SOURCE)
		      ?: devns_netlink_reply_new(&r, info, DEVNS_MSG_SIZE);
	if (err)
		return err;
	mutex_lock(&devns_mutex);
	s = find_request_source(info);
	err = s ? devns_netlink_reply_put_source(r.skb, s) : -ENOENT;
	mutex_unlock(&devns_mutex);
	return devns_netlink_reply_send(&r, info, err);
}

/* ---- policy and foreground */

static const struct nla_policy right_policy[DEVNS_A_MAX + 1] = {
	[DEVNS_A_ID] = NLA_POLICY_RANGE(NLA_U32, 1, DEVNS_ID_MAX),
	[DEVNS_A_CLASS] = NLA_POLICY_MAX(NLA_U32, CELLS_CLASS_COUNT - 1),
	[DEVNS_A_USE] = NLA_POLICY_MAX(NLA_U8, CELLS_USE_ANY),
	[DEVNS_A_BLOCK] = NLA_POLICY_MAX(NLA_U8, 1),
};

static const struct nla_policy rights_policy[DEVNS_A_MAX + 1] = {
	[DEVNS_A_RIGHT] = { .type = NLA_NESTED },
};

static int set_attribute_error(struct netlink_ext_ack *ack,
			       const struct nlattr *at, int err,
			       const char *why)
{
	NL_SET_BAD_ATTR(ack, at);
	if (ack)
		ack->_msg = why;
	return err;
}

static int parse_right(const struct nlattr *at, struct netlink_ext_ack *ack)
{
	struct nlattr *a[DEVNS_A_MAX + 1];
	struct cells_right right;
	struct devns *ns;
	u32 cls;
	int err;

	err = nla_parse_nested(a, DEVNS_A_MAX, at, right_policy, ack);
	if (err)
		return err;
	if (!a[DEVNS_A_ID] || !a[DEVNS_A_CLASS] || !a[DEVNS_A_USE])
		return set_attribute_error(
			ack, at, -EINVAL,
			"a right has an id, a class and a use");
	ns = devns_ns_find(nla_get_u32(a[DEVNS_A_ID]));
	if (!ns)
		return set_attribute_error(ack, a[DEVNS_A_ID], -ENOENT,
					   "no namespace has this id");
	cls = nla_get_u32(a[DEVNS_A_CLASS]);
	right.use = nla_get_u8(a[DEVNS_A_USE]);
	right.block = a[DEVNS_A_BLOCK] ? nla_get_u8(a[DEVNS_A_BLOCK]) : 0;
	if (right.use == CELLS_USE_ANY && !(shared_classes & BIT(cls)))
		return set_attribute_error(ack, a[DEVNS_A_USE], -EOPNOTSUPP,
					   "this class has no mode shared");
	if (right.use == CELLS_USE_ANY && right.block)
		return set_attribute_error(ack, a[DEVNS_A_BLOCK], -EINVAL,
					   "no mode is shared and blocks");
	if (ns->pending_classes & BIT(cls))
		return set_attribute_error(ack, at, -EINVAL,
					   "this right is given twice");
	ns->pending_classes |= BIT(cls);
	ns->pending_rights[cls] = right;
	return 0;
}

static int parse_rights(struct genl_info *info)
{
	struct nlattr *table, *right;
	struct devns *ns;
	int left, rest, err;

	list_for_each_entry (ns, &devns_list, link) {
		ns->pending_classes = 0;
		memset(ns->pending_rights, 0, sizeof(ns->pending_rights));
	}
	/* Not attrs[]: the table may come in several parts. */
	nlmsg_for_each_attr (table, info->nlhdr, GENL_HDRLEN, left) {
		if (nla_type(table) != DEVNS_A_RIGHTS)
			continue;
		err = nla_validate_nested(table, DEVNS_A_MAX, rights_policy,
					  info->extack);
		if (err)
			return err;
		nla_for_each_nested (right, table, rest) {
			err = parse_right(right, info->extack);
			if (err)
				return err;
		}
	}
	return 0;
}

static int handle_policy_set(struct sk_buff *skb, struct genl_info *info)
{
	u64 start = ktime_get_ns();
	u64 generation;
	int err = require_attribute(info, DEVNS_A_GENERATION);

	if (err)
		return err;
	generation = nla_get_u64(info->attrs[DEVNS_A_GENERATION]);
	mutex_lock(&devns_mutex);
	if (generation < devns_generation)
		err = set_request_error(info, DEVNS_A_GENERATION, -ESTALE,
					"a later generation is in force");
	else
		err = parse_rights(info);
	if (!err) {
		devns_policy_set(generation);
		err = devns_netlink_reply_send_change(info, start);
	}
	mutex_unlock(&devns_mutex);
	return err;
}

static int handle_active_set(struct sk_buff *skb, struct genl_info *info)
{
	u64 start = ktime_get_ns();
	struct devns *ns = NULL;
	int err = require_attribute(info, DEVNS_A_ID)
			  ?: require_attribute(info, DEVNS_A_EXPECTED);

	if (err)
		return err;
	mutex_lock(&devns_mutex);
	if (nla_get_u32(info->attrs[DEVNS_A_EXPECTED]) !=
	    (devns_active ? devns_active->id : 0))
		err = set_request_error(info, DEVNS_A_EXPECTED, -ESTALE,
					"another namespace is active");
	if (!err && nla_get_u32(info->attrs[DEVNS_A_ID])) {
		ns = find_request_ns(info);
		if (!ns)
			err = -ENOENT;
	}
	if (!err) {
		err = devns_policy_set_foreground(ns);
		if (err)
			set_request_error(
				info, DEVNS_A_ID, err,
				"a program of the host has the display");
		else
			err = devns_netlink_reply_send_change(info, start);
	}
	mutex_unlock(&devns_mutex);
	return err;
}

/* ---- the family */

#define POLICY(name) static const struct nla_policy name[DEVNS_A_MAX + 1]
#define ID_FROM(least) NLA_POLICY_RANGE(NLA_U32, least, DEVNS_ID_MAX)

static struct netlink_range_validation minor_range = {
	.max = MINORMASK,
};
POLICY(ns_add_policy) = {
	[DEVNS_A_NAME] = { .type = NLA_NUL_STRING, .len = DEVNS_NAME_MAX - 1 },
};
POLICY(ns_policy) = {
	[DEVNS_A_ID] = ID_FROM(1),
};
POLICY(source_add_policy) = {
	[DEVNS_A_CLASSES] = { .type = NLA_U32 },
	[DEVNS_A_KIND] = { .type = NLA_U32 },
	[DEVNS_A_MAJOR] = NLA_POLICY_RANGE(NLA_U32, 1, 4095),
	[DEVNS_A_MINOR] = NLA_POLICY_FULL_RANGE(NLA_U32, &minor_range),
	[DEVNS_A_NODE] = { .type = NLA_NUL_STRING, .len = DEVNS_NODE_MAX - 1 },
};
POLICY(source_policy) = {
	[DEVNS_A_SOURCE] = { .type = NLA_U32 },
};
POLICY(endpoint_policy) = {
	[DEVNS_A_ID] = ID_FROM(1),
	[DEVNS_A_SOURCE] = { .type = NLA_U32 },
};
POLICY(policy_set_policy) = {
	[DEVNS_A_GENERATION] = { .type = NLA_U64 },
	[DEVNS_A_RIGHTS] = { .type = NLA_NESTED },
};
POLICY(active_set_policy) = {
	[DEVNS_A_ID] = ID_FROM(0),
	[DEVNS_A_EXPECTED] = ID_FROM(0),
};

#define OP(op, with, ...)                                                      \
	{                                                                      \
		.cmd = DEVNS_CMD_##op, .flags = GENL_ADMIN_PERM,               \
		.policy = with, .maxattr = DEVNS_A_MAX, __VA_ARGS__            \
	}

static const struct genl_ops ops[] = {
	OP(NS_ADD, ns_add_policy, .doit = handle_ns_add),
	OP(NS_DEL, ns_policy, .doit = handle_ns_del),
	OP(NS_GET, ns_policy, .doit = handle_ns_get,
	   .dumpit = devns_netlink_reply_dump_ns),
	OP(DEVICE_ADD, source_add_policy, .doit = handle_source_add),
	OP(DEVICE_DEL, source_policy, .doit = handle_source_del),
	OP(DEVICE_GET, source_policy, .doit = handle_source_get,
	   .dumpit = devns_netlink_reply_dump_sources),
	OP(ENDPOINT_GET, endpoint_policy,
	   .dumpit = devns_netlink_reply_dump_endpoints),
	OP(POLICY_SET, policy_set_policy, .doit = handle_policy_set),
	OP(ACTIVE_SET, active_set_policy, .doit = handle_active_set),
	OP(STAT_GET, endpoint_policy, .dumpit = devns_netlink_reply_dump_stats),
};

static const struct genl_multicast_group groups[] = {
	{ .name = DEVNS_MCGRP_AUDIT, .flags = GENL_UNS_ADMIN_PERM },
};

struct genl_family devns_family __ro_after_init = {
	.name = DEVNS_GENL_NAME,
	.version = DEVNS_GENL_VERSION,
	.maxattr = DEVNS_A_MAX,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = DEVNS_CMD_UNSPEC + 1,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.parallel_ops = true,
};

int devns_netlink_init(void)
{
	return genl_register_family(&devns_family);
}

void devns_netlink_exit(void)
{
	genl_unregister_family(&devns_family);
}
