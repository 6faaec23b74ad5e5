/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device node that is read and written as an attribute of sysfs is: a line of
 * text, a whole one with each write; poll() reports with POLLPRI that it has
 * changed since it was read. It is where a program expects such a file.
 */
#ifndef DEVNS_ATTR_NODE_H
#define DEVNS_ATTR_NODE_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

/* Of a line that is written, with its NUL. */
#define ATTR_NODE_LINE_MAX 128

struct devns_revoked;
struct devns_endpoint;
struct devns_attr_node;
struct file;
struct file_operations;

/* Both are called with the node's lock held, and not while it is denied. */
struct devns_attr_node_ops {
	/* Fills at most a page; answers the length. */
	ssize_t (*show)(struct devns_attr_node *attr, char *buf);
	/* `line` has no newline and is not empty. */
	int (*store)(struct devns_attr_node *attr, char *line);
};

struct devns_attr_node {
	const struct devns_attr_node_ops *ops;
	struct devns_endpoint *ep; /* NULL: it is the host's */
	struct mutex lock;
	bool denied;
	atomic_t changes;
	wait_queue_head_t wait;
};

void devns_attr_node_init(struct devns_attr_node *attr,
			  const struct devns_attr_node_ops *ops);
/* Makes the endpoint's node; its priv is, or begins with, this. */
int devns_attr_node_add(struct devns_endpoint *ep,
			struct devns_attr_node *attr);
/* What is under way has ended when this returns. */
void devns_attr_node_deny(struct devns_attr_node *attr);
void devns_attr_node_allow(struct devns_attr_node *attr);
/* Nothing is left to wait for: reports what was open. */
void devns_attr_node_drain(struct devns_endpoint *ep, unsigned long end,
			   struct devns_revoked *revoked);
/* Wakes who polls. Any context. */
void devns_attr_node_notify(struct devns_attr_node *attr);

/* For nodes that are not of an endpoint: their open, and the rest. */
int devns_attr_node_open(struct file *file, struct devns_attr_node *attr);
extern const struct file_operations devns_attr_node_fops;

#endif
