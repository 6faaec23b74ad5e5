/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages from the module's state; all under devns_mutex. */
#ifndef DEVNS_NETLINK_REPLY_H
#define DEVNS_NETLINK_REPLY_H

#include "devns.h"

struct genl_info;
struct netlink_callback;
struct sk_buff;

/* Room for one thing's attributes; the rights of a namespace come on top. */
#define DEVNS_MSG_SIZE 512
#define DEVNS_RIGHTS_SIZE (CELLS_CLASS_COUNT * 4 * nla_total_size(sizeof(u32)))

struct devns_netlink_reply {
	struct sk_buff *skb;
	void *head;
};

int devns_netlink_reply_new(struct devns_netlink_reply *r,
			    struct genl_info *info, size_t size);
/* With an error the message is dropped, and the error answered. */
int devns_netlink_reply_send(struct devns_netlink_reply *r,
			     struct genl_info *info, int err);
/* What a change of policy or foreground did; it is done, whatever happens. */
int devns_netlink_reply_send_change(struct genl_info *info, u64 start);

int devns_netlink_reply_put_ns(struct sk_buff *skb, const struct devns *ns);
int devns_netlink_reply_put_source(struct sk_buff *skb,
				   struct devns_source_device *s);

int devns_netlink_reply_dump_ns(struct sk_buff *skb,
				struct netlink_callback *cb);
int devns_netlink_reply_dump_sources(struct sk_buff *skb,
				     struct netlink_callback *cb);
int devns_netlink_reply_dump_endpoints(struct sk_buff *skb,
				       struct netlink_callback *cb);
int devns_netlink_reply_dump_stats(struct sk_buff *skb,
				   struct netlink_callback *cb);

#endif
