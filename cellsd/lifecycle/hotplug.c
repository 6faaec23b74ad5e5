/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/hotplug.h"

#include "cellsd/container/rootfs.h"
#include "cellsd/device/hardware.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/idle.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define SETTLE_MS 50
#define RETRY_MS 1000

static bool is_visible_in_dev(const struct backend_node *n)
{
	return n->way == BACKEND_BY_CLASS;
}

/* Is there a node that was there before, and needs one more class now? */
static bool has_gained_classes(const struct device_state *d,
			       const struct backend_node *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < d->n_nodes; k++)
			if (d->nodes[k].block == nodes[i].block &&
			    d->nodes[k].major == nodes[i].major &&
			    d->nodes[k].minor == nodes[i].minor &&
			    (nodes[i].major || nodes[i].minor) &&
			    nodes[i].classes & ~d->nodes[k].classes)
				return true;
	return false;
}

static const struct backend_node *find_same_node(const struct backend_node *in,
						 size_t n,
						 const struct backend_node *of)
{
	for (size_t i = 0; i < n; i++)
		if (in[i].block == of->block && in[i].major == of->major &&
		    in[i].minor == of->minor)
			return &in[i];
	return NULL;
}

/* A node is withdrawn when its device is there and no class names it now. */
struct node_changes {
	bool gained; /* one that was there needs one more class */
	struct backend_node *withdrawn;
	size_t n_withdrawn;
};

static void node_changes_fini(struct node_changes *c)
{
	free(c->withdrawn);
}

static int find_withdrawn_nodes(const struct device_state *d,
				const struct backend_node *nodes, size_t n,
				struct node_changes *ret, struct err *e)
{
	ret->withdrawn = calloc(d->n_nodes + 1, sizeof(*ret->withdrawn));
	if (!ret->withdrawn)
		return err_oom(e, "list the hardware");
	for (size_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].way == BACKEND_BY_CLASS &&
		    !find_same_node(nodes, n, &d->nodes[i]) &&
		    hardware_has_device(&d->nodes[i]))
			ret->withdrawn[ret->n_withdrawn++] = d->nodes[i];
	return 0;
}

static int update_device_nodes(struct hotplug *p, struct node_changes *ret,
			       struct err *e)
{
	struct device_state *d = p->device;
	size_t n;
	const struct backend_node *found = hardware_get_nodes(p->hardware, &n);
	auto_free struct backend_node *nodes = calloc(n + 1, sizeof(*nodes));
	int r;

	if (!nodes)
		return err_oom(e, "list the hardware");
	memcpy(nodes, found, n * sizeof(*nodes));
	r = find_withdrawn_nodes(d, nodes, n, ret, e);
	if (r < 0)
		return r;
	r = d->type->set_nodes(d->backend, nodes, n, e);
	if (r < 0)
		return r;
	d->present = d->by_class = 0;
	for (size_t i = 0; i < n; i++) {
		if (nodes[i].way == BACKEND_BY_CLASS)
			d->by_class |= nodes[i].classes;
		if (nodes[i].way == BACKEND_BY_ENDPOINT)
			d->present |= nodes[i].classes;
	}
	d->present |= d->by_class;
	ret->gained = has_gained_classes(d, nodes, n);
	free(d->nodes);
	d->nodes = steal(nodes);
	d->n_nodes = n;
	return 0;
}

/* ---- a VP's /dev */

struct node_listing {
	struct backend_node *node;
	size_t n, room;
	bool failed;
};

static void append_dev_node(void *arg, const struct backend_node *n)
{
	struct node_listing *l = arg;

	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct backend_node *node =
			reallocarray(l->node, room, sizeof(*node));

		l->failed |= !node;
		if (!node)
			return;
		l->node = node;
		l->room = room;
	}
	l->node[l->n++] = *n;
}

int hotplug_list_vp_nodes(const struct device_state *d, const struct vp *v,
			  struct backend_node **ret, size_t *ret_n,
			  struct err *e)
{
	struct node_listing l = { 0 };

	for (size_t i = 0; i < d->n_nodes; i++)
		if (is_visible_in_dev(&d->nodes[i]))
			append_dev_node(&l, &d->nodes[i]);
	if (d->type->each_endpoint)
		d->type->each_endpoint(d->backend, v->number, append_dev_node,
				       &l);
	if (l.failed) {
		free(l.node);
		return err_oom(e, "list the nodes of a VP");
	}
	*ret = l.node;
	*ret_n = l.n;
	return 0;
}

static const struct backend_node *
find_node_by_name(const struct backend_node *nodes, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(nodes[i].name, name) == 0)
			return &nodes[i];
	return NULL;
}

/* It is there as it should be: nothing is done to a node in use. */
static bool is_node_present(int dev, const struct backend_node *n)
{
	struct stat st;

	return fstatat(dev, n->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (n->block ? S_ISBLK(st.st_mode) : S_ISCHR(st.st_mode)) &&
	       st.st_rdev == makedev(n->major, n->minor);
}

void hotplug_refresh_vp(const struct device_state *d, const struct vp *v)
{
	struct vp_run *run = vp_get_run(v);
	struct backend_node *nodes;
	struct err e;
	size_t n;

	if (!run || run->dev < 0)
		return;
	if (hotplug_list_vp_nodes(d, v, &nodes, &n, &e) < 0) {
		log_warning("VP %s: %s", v->name, e.text);
		return;
	}
	for (size_t i = 0; i < run->n_nodes; i++)
		if (!find_node_by_name(nodes, n, run->nodes[i].name))
			rootfs_remove_node(run->dev, run->nodes[i].name);
	for (size_t i = 0; i < n; i++) {
		const struct rootfs_node node = { nodes[i].name, nodes[i].block,
						  nodes[i].major,
						  nodes[i].minor };

		if (is_node_present(run->dev, &nodes[i]))
			continue;
		/* The VP owns its /dev and may have put something there. */
		rootfs_remove_node(run->dev, node.name);
		if (rootfs_add_node(run->dev, &node, vp_get_id_base(v), &e) < 0)
			log_warning("VP %s: %s", v->name, e.text);
	}
	free(run->nodes);
	run->nodes = nodes;
	run->n_nodes = n;
}

/* ---- events */

static void watch_input_nodes(struct hotplug *p)
{
	size_t n;
	const struct backend_node *nodes = hardware_get_nodes(p->hardware, &n);

	idle_watch_inputs(p->idle, nodes, n);
}

/* Hardware came or went, and nothing more for a moment. */
static int on_hotplug_settled(sd_event_source *s, uint64_t usec, void *arg)
{
	struct hotplug *p = arg;
	AUTO(node_changes_fini) struct node_changes c = { 0 };
	struct err e;

	if (hardware_scan(p->hardware, &e) < 0 ||
	    update_device_nodes(p, &c, &e) < 0) {
		log_error("%s", e.text);
		return timer_start(s, RETRY_MS * 1000);
	}
	for (unsigned int i = 0; i < p->vps->n; i++)
		hotplug_refresh_vp(p->device, p->vps->vp[i]);
	/* Somebody may have opened it before. */
	if (c.gained)
		foreground_revoke_handles(p->foreground, "hardware");
	if (c.n_withdrawn > 0)
		foreground_revoke_nodes(p->foreground, c.withdrawn,
					c.n_withdrawn, "hardware");
	watch_input_nodes(p);
	return 0;
}

static int on_udev_event(sd_event_source *s, int fd, uint32_t events, void *arg)
{
	struct hotplug *p = arg;

	if (!hardware_drain_events(p->hardware))
		return 0;
	return timer_start(p->on_settled, SETTLE_MS * 1000);
}

int hotplug_open(struct hotplug *p, struct err *e)
{
	AUTO(node_changes_fini) struct node_changes c = { 0 };
	int r = hardware_new(p->profile, &p->hardware, e);

	if (r == 0)
		r = hardware_scan(p->hardware, e);
	return r == 0 ? update_device_nodes(p, &c, e) : r;
}

int hotplug_listen(struct hotplug *p, struct err *e)
{
	sd_event *loop = p->loop;
	int r = sd_event_add_io(loop, &p->on_event, hardware_fd(p->hardware),
				EPOLLIN, on_udev_event, p);

	if (r >= 0)
		r = timer_new(loop, CLOCK_MONOTONIC, on_hotplug_settled, p,
			      &p->on_settled);
	if (r < 0)
		return err_sys(e, -r, "follow the hardware");
	watch_input_nodes(p);
	return 0;
}

void hotplug_close(struct hotplug *p)
{
	sd_event_source_disable_unref(p->on_event);
	sd_event_source_disable_unref(p->on_settled);
	hardware_free(p->hardware);
}
