/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A node that is read and written as a file of sysfs is: a line of text, a
 * whole one with each write; poll() reports with POLLPRI that it has changed
 * since it was read. It is where a program expects such a file.
 */
#ifndef DEVNS_TEXT_NODE_H
#define DEVNS_TEXT_NODE_H

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

/* Of a line that is written, with its NUL. */
#define TEXT_NODE_LINE_MAX 128

struct devns_cut;
struct devns_endpoint;
struct devns_text_node;
struct file;
struct file_operations;

/* Both are called with the text's lock held, and not while it is denied. */
struct devns_text_node_ops {
	/* Fills at most a page; answers the length. */
	ssize_t (*show)(struct devns_text_node *t, char *buf);
	/* `line` has no newline and is not empty. */
	int (*store)(struct devns_text_node *t, char *line);
};

struct devns_text_node {
	const struct devns_text_node_ops *ops;
	struct devns_endpoint *ep; /* NULL: it is the host's */
	struct mutex lock;
	bool denied;
	atomic_t changes;
	wait_queue_head_t wait;
};

void devns_text_node_init(struct devns_text_node *t,
			  const struct devns_text_node_ops *ops);
/* Makes the endpoint's node; its priv is, or begins with, a text. */
int devns_text_node_add(struct devns_endpoint *ep, struct devns_text_node *t);
/* What is under way has ended when this returns. */
void devns_text_node_deny(struct devns_text_node *t);
void devns_text_node_allow(struct devns_text_node *t);
/* Nothing is left to wait for: reports what was open. */
void devns_text_node_drain(struct devns_endpoint *ep, unsigned long end,
			   struct devns_cut *cut);
/* Wakes who polls. Any context. */
void devns_text_node_notify(struct devns_text_node *t);

/* For nodes that are not of an endpoint: their open, and the rest. */
int devns_text_node_open(struct file *file, struct devns_text_node *t);
extern const struct file_operations devns_text_node_fops;

#endif
