// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lights: an LED or a backlight is a file of sysfs, which all see alike. An
 * attribute node for each devns takes its place: what is written in the
 * background succeeds and is remembered, and the real file gets what the
 * foreground has written last. The host's brightness is remembered while a
 * devns is in front.
 */
#include "attr_node.h"
#include "devns.h"

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#define NUMBER_MAX 16

/* One real light: its file, open as long as it is a source. */
struct light {
	struct mutex lock; /* after devns_attr_node.lock */
	struct file *file;
	u32 max_brightness;
	u32 host_brightness;
	struct light_state *front; /* whose state is shown; NULL: the host's */
};

struct light_state {
	struct devns_attr_node attr; /* first */
	struct light *light;	     /* until the endpoint is deleted */
	u32 brightness;
};

/* ---- the real file */

static struct file *open_sysfs_attribute(const char *node, const char *name,
					 int flags)
{
	char *path = kasprintf(GFP_KERNEL, "/sys/class/%s/%s", node, name);
	struct file *file;

	if (!path)
		return ERR_PTR(-ENOMEM);
	file = filp_open(path, flags, 0);
	kfree(path);
	if (IS_ERR(file))
		return file;
	/* Nothing else is meant to be written to, whatever is mounted there. */
	if (file_inode(file)->i_sb->s_magic != SYSFS_MAGIC) {
		fput(file);
		return ERR_PTR(-ENXIO);
	}
	return file;
}

static int read_sysfs_number(struct file *file, u32 *ret)
{
	char text[NUMBER_MAX] = {};
	loff_t pos = 0;
	ssize_t n = kernel_read(file, text, sizeof(text) - 1, &pos);

	if (n < 0)
		return n;
	return kstrtou32(strim(text), 10, ret);
}

static int write_sysfs_number(struct file *file, u32 value)
{
	char text[NUMBER_MAX];
	loff_t pos = 0;
	int len = scnprintf(text, sizeof(text), "%u\n", value);
	ssize_t n = kernel_write(file, text, len, &pos);

	return n < 0 ? n : 0;
}

/* A light that went away takes nothing any more, and nobody minds. */
static void write_shown_brightness(struct light *l)
{
	write_sysfs_number(l->file, l->front ? l->front->brightness
					     : l->host_brightness);
}

/* ---- the nodes */

static ssize_t show_brightness(struct devns_attr_node *attr, char *buf)
{
	return sysfs_emit(
		buf, "%u\n",
		container_of(attr, struct light_state, attr)->brightness);
}

static int store_brightness(struct devns_attr_node *attr, char *line)
{
	struct light_state *s = container_of(attr, struct light_state, attr);
	struct light *l = s->light;
	u32 value;
	int err;

	err = kstrtou32(line, 0, &value);
	if (err)
		return err;
	/* In the background as in front, where drivers differ in this. */
	if (value > l->max_brightness)
		return -EINVAL;
	mutex_lock(&l->lock);
	s->brightness = value;
	err = l->front == s ? write_sysfs_number(l->file, value) : 0;
	mutex_unlock(&l->lock);
	return err;
}

static const struct devns_attr_node_ops state_ops = {
	.show = show_brightness,
	.store = store_brightness,
};

/* ---- sources */

static int light_source_add(struct devns_source_device *s,
			    struct netlink_ext_ack *ack)
{
	struct light *l = kzalloc(sizeof(*l), GFP_KERNEL);
	struct file *max;
	int err;

	if (!l)
		return -ENOMEM;
	mutex_init(&l->lock);
	max = open_sysfs_attribute(s->node, "max_brightness", O_RDONLY);
	err = PTR_ERR_OR_ZERO(max);
	if (err)
		goto out;
	err = read_sysfs_number(max, &l->max_brightness);
	fput(max);
	if (err)
		goto out;
	l->file = open_sysfs_attribute(s->node, "brightness", O_RDWR);
	err = PTR_ERR_OR_ZERO(l->file);
	if (err)
		goto out;
	err = read_sysfs_number(l->file, &l->host_brightness);
	if (err) {
		fput(l->file);
		goto out;
	}
	s->priv = l;
	return 0;
out:
	NL_SET_ERR_MSG(ack, "no such light is below /sys/class");
	kfree(l);
	return err;
}

static int led_source_add(struct devns_source_device *s,
			  struct netlink_ext_ack *ack)
{
	if (strncmp(s->node, "leds/", 5)) {
		NL_SET_ERR_MSG(ack, "the node of an LED begins with leds/");
		return -EINVAL;
	}
	return light_source_add(s, ack);
}

static int backlight_source_add(struct devns_source_device *s,
				struct netlink_ext_ack *ack)
{
	if (strncmp(s->node, "backlight/", 10)) {
		NL_SET_ERR_MSG(ack, "that of a backlight with backlight/");
		return -EINVAL;
	}
	return light_source_add(s, ack);
}

static void light_source_del(struct devns_source_device *s)
{
	struct light *l = s->priv;

	fput(l->file);
	kfree(l);
}

static int light_endpoint_add(struct devns_endpoint *ep,
			      struct netlink_ext_ack *ack)
{
	struct light_state *st = kzalloc(sizeof(*st), GFP_KERNEL);
	int err;

	if (!st)
		return -ENOMEM;
	devns_attr_node_init(&st->attr, &state_ops);
	st->light = ep->source->priv;
	/* It begins with what the light is like. */
	st->brightness = st->light->host_brightness;
	err = devns_attr_node_add(ep, &st->attr);
	if (err)
		NL_SET_ERR_MSG(ack, "the endpoint's node cannot be made");
	return err;
}

/* What is shown from now on: a state, or the host's with NULL. */
static void switch_shown_state(struct light *l, struct light_state *to)
{
	mutex_lock(&l->lock);
	if (l->front != to) {
		if (!l->front)
			read_sysfs_number(l->file, &l->host_brightness);
		l->front = to;
		write_shown_brightness(l);
	}
	mutex_unlock(&l->lock);
}

static void light_endpoint_del(struct devns_endpoint *ep)
{
	struct light_state *st = ep->priv;

	if (st->light->front == st)
		switch_shown_state(st->light, NULL);
}

static void light_endpoint_free(struct devns_endpoint *ep)
{
	kfree(ep->priv);
}

static void light_deny(struct devns_endpoint *ep)
{
	struct light_state *st = ep->priv;

	devns_attr_node_deny(&st->attr);
	if (st->light->front == st)
		switch_shown_state(st->light, NULL);
}

static void light_allow(struct devns_endpoint *ep)
{
	struct light_state *st = ep->priv;

	devns_attr_node_allow(&st->attr);
	if (ep->ns == devns_active)
		switch_shown_state(st->light, st);
}

/* One step from the old to the new: the light does not flicker. */
static void light_enter(struct devns_source_device *s,
			struct devns_endpoint *new)
{
	switch_shown_state(s->priv, new &&new->allowed ? new->priv : NULL);
}

#define LIGHT_OPS(add)                                                         \
	{                                                                      \
		.is_virtual = true, .source_add = (add),                       \
		.source_del = light_source_del,                                \
		.endpoint_add = light_endpoint_add,                            \
		.endpoint_del = light_endpoint_del,                            \
		.endpoint_free = light_endpoint_free, .deny = light_deny,      \
		.drain = devns_attr_node_drain, .allow = light_allow,          \
		.enter = light_enter,                                          \
	}

const struct devns_kind_ops devns_kind_led = LIGHT_OPS(led_source_add);
const struct devns_kind_ops devns_kind_backlight =
	LIGHT_OPS(backlight_source_add);
