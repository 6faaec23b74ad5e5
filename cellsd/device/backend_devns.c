/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backend `devns`: the kernel module decides what endpoints can do, also those
 * that are open or mapped. The `cgroup` backend is below it: it lets a VP
 * open its own endpoints, keeps the real nodes behind them shut, and remains
 * the way to what is not passed on. All state that matters is in the kernel; it
 * is read again at each start.
 */
#include "cellsd/device/backend_cgroup.h"
#include "cellsd/device/devns_display.h"
#include "cellsd/device/devns_link.h"
#include "cellsd/device/event_coalesce.h"
#include "cellsd/device/source_plan.h"
#include "cellsd/device/suppressed_intervals.h"
#include "cellsd/limits.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define RIGHTS_MAX ((size_t)VPS_MAX * CELLS_CLASS_COUNT)
#define SWITCH_TRIES 3

struct ns_mapping {
	uint32_t vp, ns;
};

struct node_list {
	struct backend_node *node;
	size_t n;
};

struct backend {
	struct backend *cgroups;
	struct devns_link *link;
	int events; /* epoll of both */
	struct ns_mapping held[VPS_MAX];
	unsigned int n_held;
	struct node_list nodes, endpoints;
	uint32_t active;
	uint64_t generation;
	struct devns_link_right right[RIGHTS_MAX]; /* as last set */
	size_t n_rights;
	bool is_set;
	struct suppressed_intervals own; /* changes that we made */
	struct event_coalesce bursts;
	backend_event_fn *fn; /* while events are drained */
	void *arg;
};

static uint32_t find_vp_by_ns(const struct backend *b, uint32_t ns)
{
	for (unsigned int i = 0; i < b->n_held; i++)
		if (b->held[i].ns == ns)
			return b->held[i].vp;
	return 0;
}

static uint32_t find_ns_by_vp(const struct backend *b, uint32_t vp)
{
	for (unsigned int i = 0; i < b->n_held; i++)
		if (b->held[i].vp == vp)
			return b->held[i].ns;
	return 0;
}

static void remove_ns_mapping(struct backend *b, uint32_t ns)
{
	for (unsigned int i = 0; i < b->n_held; i++)
		if (b->held[i].ns == ns)
			b->held[i] = b->held[--b->n_held];
}

static int append_list_node(struct node_list *l, const struct backend_node *n)
{
	struct backend_node *node =
		reallocarray(l->node, l->n + 1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	l->node = node;
	l->node[l->n++] = *n;
	return 0;
}

struct endpoint_reading {
	const struct backend *b;
	struct node_list list;
	int r;
};

static void collect_endpoint(void *arg, const struct devns_link_endpoint *ep)
{
	struct endpoint_reading *rd = arg;
	struct backend_node n = { .major = ep->major,
				  .minor = ep->minor,
				  .classes = ep->classes,
				  .way = BACKEND_ENDPOINT,
				  .vp = find_vp_by_ns(rd->b, ep->ns) };

	if (!n.vp || (!n.major && !n.minor))
		return;
	snprintf(n.name, sizeof(n.name), "%s", ep->node);
	if (rd->r == 0)
		rd->r = append_list_node(&rd->list, &n);
}

static int read_endpoints(struct backend *b, struct err *e)
{
	struct endpoint_reading rd = { .b = b };
	int r = devns_link_each_endpoint(b->link, collect_endpoint, &rd, e);

	if (r == 0 && rd.r < 0)
		r = err_oom(e, "list endpoints");
	if (r < 0) {
		free(rd.list.node);
		return r;
	}
	free(b->endpoints.node);
	b->endpoints = rd.list;
	return 0;
}

/* For the device program: endpoints open, devices behind them stay shut. */
static int put_device_nodes(struct backend *b, struct err *e)
{
	size_t n = b->nodes.n + b->endpoints.n;
	auto_free struct backend_node *all = calloc(n + 1, sizeof(*all));

	if (!all)
		return err_oom(e, "list the hardware");
	if (b->nodes.n)
		memcpy(all, b->nodes.node, b->nodes.n * sizeof(*all));
	if (b->endpoints.n)
		memcpy(all + b->nodes.n, b->endpoints.node,
		       b->endpoints.n * sizeof(*all));
	return backend_cgroup_put_nodes(b->cgroups, all, n, e);
}

static int refresh_endpoints(struct backend *b, struct err *e)
{
	int r = read_endpoints(b, e);

	return r < 0 ? r : put_device_nodes(b, e);
}

struct source_list {
	struct devns_link_source *item;
	size_t n;
	bool failed;
};

static void list_source(void *arg, const struct devns_link_source *s)
{
	struct source_list *l = arg;
	struct devns_link_source *item =
		reallocarray(l->item, l->n + 1, sizeof(*item));

	l->failed |= !item;
	if (!item)
		return;
	l->item = item;
	l->item[l->n++] = *s;
}

static bool has_endpoint(const struct backend *b, const struct backend_node *n)
{
	for (size_t i = 0; i < b->endpoints.n; i++)
		if (!n->block && b->endpoints.node[i].major == n->major &&
		    b->endpoints.node[i].minor == n->minor)
			return true;
	return false;
}

/* What had that name at the last listing. */
static const struct backend_node *find_listed_node(const struct backend *b,
						   const struct backend_node *n)
{
	for (size_t i = 0; i < b->nodes.n; i++)
		if (strcmp(b->nodes.node[i].name, n->name) == 0)
			return &b->nodes.node[i];
	return NULL;
}

/* A device that went and came again under its old number is another one. */
static bool is_hidden_device(const struct backend *b,
			     const struct backend_node *n)
{
	const struct backend_node *old = find_listed_node(b, n);

	return old && old->instance != n->instance;
}

static bool is_source_wanted(const struct backend *b,
			     const struct backend_node *nodes, size_t n,
			     const struct devns_link_source *s)
{
	struct devns_link_source want;

	if (s->kind == DEVNS_KIND_POWER)
		return true;
	for (size_t i = 0; i < n; i++)
		if (nodes[i].way == BACKEND_BY_ENDPOINT &&
		    source_plan_for_node(&nodes[i], &want) ==
			    BACKEND_BY_ENDPOINT &&
		    source_plan_is_equal(&want, s))
			return !is_hidden_device(b, &nodes[i]);
	return false;
}

static void remove_stale_sources(struct backend *b,
				 const struct backend_node *nodes, size_t n,
				 struct source_list *have)
{
	struct err e;

	for (size_t i = 0; i < have->n; i++) {
		if (is_source_wanted(b, nodes, n, &have->item[i]))
			continue;
		if (devns_link_source_del(b->link, have->item[i].id, &e) < 0)
			log_warning("%s", e.text);
		have->item[i].id = 0;
	}
}

static void add_node_source(struct backend *b, struct backend_node *n,
			    const struct source_list *have)
{
	const struct backend_node *old = find_listed_node(b, n);
	struct devns_link_source want;
	struct err e;
	uint32_t id;

	source_plan_for_node(n, &want);
	for (size_t i = 0; i < have->n; i++)
		if (have->item[i].id &&
		    source_plan_is_equal(&want, &have->item[i]))
			return;
	if (devns_link_source_add(b->link, &want, &id, &e) == 0)
		return;
	/* Not passed on, it is not given in a weaker way either. */
	n->way = BACKEND_SHUT;
	if (!old || old->instance != n->instance || old->way != BACKEND_SHUT)
		log_warning("%s", e.text);
}

static int set_devns_nodes(struct backend *b, struct backend_node *nodes,
			   size_t n, struct err *e)
{
	struct source_list have = { 0 };
	struct devns_link_source unused;
	struct backend_node *copy = calloc(n + 1, sizeof(*copy));
	int r = copy ? read_endpoints(b, e) : err_oom(e, "list the hardware");

	if (r == 0)
		r = devns_link_each_source(b->link, list_source, &have, e);
	if (r == 0 && have.failed)
		r = err_oom(e, "list sources");
	for (size_t i = 0; r == 0 && i < n; i++)
		nodes[i].way =
			has_endpoint(b, &nodes[i])
				? BACKEND_SHUT
				: source_plan_for_node(&nodes[i], &unused);
	if (r == 0)
		remove_stale_sources(b, nodes, n, &have);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (nodes[i].way == BACKEND_BY_ENDPOINT)
			add_node_source(b, &nodes[i], &have);
	free(have.item);
	if (r < 0) {
		free(copy);
		return r;
	}
	memcpy(copy, nodes, n * sizeof(*copy));
	free(b->nodes.node);
	b->nodes = (struct node_list){ copy, n };
	return refresh_endpoints(b, e);
}

static void each_devns_endpoint(const struct backend *b, uint32_t vp,
				backend_node_fn *fn, void *arg)
{
	for (size_t i = 0; i < b->endpoints.n; i++)
		if (b->endpoints.node[i].vp == vp)
			fn(arg, &b->endpoints.node[i]);
}

/* ---- namespaces */

struct ns_adoption {
	struct backend *b;
	const struct backend_vp *vps;
	unsigned int n;
	uint32_t stray[DEVNS_ID_MAX];
	unsigned int n_stray;
};

static void adopt_namespace(void *arg, const struct devns_link_ns *ns)
{
	struct ns_adoption *a = arg;
	struct backend *b = a->b;

	if (ns->active)
		b->active = ns->id;
	b->generation = ns->generation;
	for (unsigned int i = 0; i < a->n; i++) {
		if (strcmp(a->vps[i].name, ns->name) != 0)
			continue;
		b->held[b->n_held++] =
			(struct ns_mapping){ a->vps[i].number, ns->id };
		return;
	}
	if (a->n_stray < DEVNS_ID_MAX)
		a->stray[a->n_stray++] = ns->id;
}

/* What a daemon before us left: of VPs that run, or of nobody. */
static int adopt_all_namespaces(struct backend *b, const struct backend_vp *vps,
				unsigned int n, struct err *e)
{
	auto_free struct ns_adoption *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_oom(e, "list devns");
	*a = (struct ns_adoption){ .b = b, .vps = vps, .n = n };
	r = devns_link_each_ns(b->link, adopt_namespace, a, e);
	for (unsigned int i = 0; r == 0 && i < a->n_stray; i++) {
		r = devns_link_ns_del(b->link, a->stray[i], e);
		if (r == 0 && b->active == a->stray[i])
			b->active = 0;
	}
	return r;
}

/* One that could not be deleted when its VP ended goes first. */
static int add_or_replace_ns(struct backend *b, const char *name, uint32_t *ret,
			     struct err *e)
{
	int r = devns_link_ns_add(b->link, name, ret, e);
	uint32_t old;

	if (r != -EEXIST)
		return r;
	r = devns_link_ns_find(b->link, name, &old, e);
	if (r == 0)
		r = devns_link_ns_del(b->link, old, e);
	return r < 0 ? r : devns_link_ns_add(b->link, name, ret, e);
}

static int attach_devns_vp(struct backend *b, const struct backend_vp *vp,
			   struct err *e)
{
	struct devns_link_ns ns;
	uint32_t id;
	int r = backend_cgroup_type.attach(b->cgroups, vp, e);

	if (r < 0 || find_ns_by_vp(b, vp->number))
		return r;
	if (b->n_held == VPS_MAX)
		return err_set(e, EBUSY, "more than %d devns", VPS_MAX);
	r = add_or_replace_ns(b, vp->name, &id, e);
	if (r < 0)
		return r;
	b->held[b->n_held++] = (struct ns_mapping){ vp->number, id };
	/* The module counts on from what was set before we came. */
	r = devns_link_ns_get(b->link, id, &ns, e);
	if (r == 0 && ns.generation > b->generation)
		b->generation = ns.generation;
	return r == 0 ? refresh_endpoints(b, e) : r;
}

static void detach_devns_vp(struct backend *b, uint32_t vp)
{
	uint32_t ns = find_ns_by_vp(b, vp);
	size_t kept = 0;
	struct err e;

	if (!ns)
		return;
	if (devns_link_ns_del(b->link, ns, &e) < 0)
		log_error("%s", e.text);
	if (b->active == ns)
		b->active = 0;
	remove_ns_mapping(b, ns);
	for (size_t i = 0; i < b->n_rights; i++)
		if (b->right[i].ns != ns)
			b->right[kept++] = b->right[i];
	b->n_rights = kept;
	if (refresh_endpoints(b, &e) < 0)
		log_error("%s", e.text);
}

/* ---- decisions */

struct change_begin {
	uint64_t boot, mono;
};

static struct change_begin begin_change(void)
{
	return (struct change_begin){ clock_boot_ns(), clock_mono_ns() };
}

static void report_revocations(const struct backend *b,
			       const struct devns_link_change *c,
			       backend_revocation_fn *fn, void *arg)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct devns_link_revocation *k = &c->cut[i];
		const struct backend_revocation cut = { find_vp_by_ns(b, k->ns),
							k->cls, k->handles,
							k->mappings };

		if (k->killed)
			log_warning("class %u: %u processes did not let go in "
				    "time and were ended",
				    k->cls, k->killed);
		if (cut.vp && cut.cls < CELLS_CLASS_COUNT)
			fn(arg, &cut);
	}
}

static size_t build_rights_list(const struct backend *b,
				const struct backend_table *t,
				struct devns_link_right ret[RIGHTS_MAX])
{
	size_t n = 0;

	memset(ret, 0, RIGHTS_MAX * sizeof(*ret));
	for (size_t i = 0; i < t->n; i++) {
		uint32_t ns = find_ns_by_vp(b, t->row[i].vp);

		for (int c = 0; ns && c < CELLS_CLASS_COUNT; c++) {
			struct cells_right r = t->row[i].right[c];

			if (r.use != CELLS_USE_NONE || r.block)
				ret[n++] =
					(struct devns_link_right){ ns, c, r };
		}
	}
	return n;
}

static bool is_policy_unchanged(const struct backend *b,
				const struct devns_link_right *r, size_t n)
{
	if (!b->is_set || n != b->n_rights)
		return false;
	for (size_t i = 0; i < n; i++)
		if (r[i].ns != b->right[i].ns || r[i].cls != b->right[i].cls ||
		    r[i].right.use != b->right[i].right.use ||
		    r[i].right.block != b->right[i].right.block)
			return false;
	return true;
}

static int set_devns_policy(struct backend *b, const struct backend_table *t,
			    backend_revocation_fn *fn, void *arg,
			    uint64_t *ret_ns, struct err *e)
{
	AUTO(devns_link_change_fini) struct devns_link_change c = { 0 };
	struct devns_link_right right[RIGHTS_MAX];
	size_t n = build_rights_list(b, t, right);
	struct change_begin own = begin_change();
	int r;

	if (is_policy_unchanged(b, right, n))
		return 0;
	b->is_set = false;
	r = devns_link_policy_set(b->link, b->generation + 1, right, n, &c, e);
	suppressed_intervals_add(&b->own, own.boot, clock_boot_ns());
	if (r < 0)
		return r;
	b->generation++;
	memcpy(b->right, right, n * sizeof(*right));
	b->n_rights = n;
	b->is_set = true;
	*ret_ns = own.mono + c.took_ns;
	report_revocations(b, &c, fn, arg);
	return 0;
}

static void find_active_ns(void *arg, const struct devns_link_ns *ns)
{
	if (ns->active)
		*(uint32_t *)arg = ns->id;
}

/* Nobody but us switches; should somebody have, theirs is what we leave. */
static int set_active_ns(struct backend *b, uint32_t ns,
			 backend_revocation_fn *fn, void *arg, uint64_t *ret_ns,
			 struct err *e)
{
	AUTO(devns_link_change_fini) struct devns_link_change c = { 0 };
	struct change_begin own = begin_change();
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < SWITCH_TRIES; i++) {
		uint32_t active = 0;
		struct err ignored;

		own = begin_change();
		r = devns_link_active_set(b->link, b->active, ns, &c, e);
		if (r == -ESTALE && devns_link_each_ns(b->link, find_active_ns,
						       &active, &ignored) == 0)
			b->active = active;
	}
	suppressed_intervals_add(&b->own, own.boot, clock_boot_ns());
	if (r < 0)
		return r;
	b->active = ns;
	*ret_ns = own.mono + c.took_ns;
	report_revocations(b, &c, fn, arg);
	return 0;
}

static int apply_devns_table(struct backend *b, const struct backend_table *t,
			     backend_revocation_fn *fn, void *arg,
			     uint64_t *ret_ns, struct err *e)
{
	uint32_t foreground =
		t->foreground ? find_ns_by_vp(b, t->foreground) : 0;
	int r = set_devns_policy(b, t, fn, arg, ret_ns, e);

	if (r == 0 && foreground != b->active)
		r = set_active_ns(b, foreground, fn, arg, ret_ns, e);
	return r;
}

static int check_devns_display(struct backend *b, struct err *e)
{
	return devns_display_check(b->link, e);
}

/* ---- what is the other backend's */

static int set_devns_allowed(struct backend *b, int cgroup, uint32_t vp,
			     uint32_t classes, struct err *e)
{
	return backend_cgroup_type.allow(b->cgroups, cgroup, vp, classes, e);
}

static int get_devns_allowed(struct backend *b, int cgroup,
			     uint32_t *ret_classes, struct err *e)
{
	return backend_cgroup_type.allowed(b->cgroups, cgroup, ret_classes, e);
}

/* ---- events */

/* Switches, modes and cuts that we ordered are reported with their cause by who
 * ordered them; what the kernel did by itself is reported here. */
static bool is_already_reported(const struct backend *b,
				const struct devns_link_event *ev)
{
	return suppressed_intervals_contains(&b->own, ev->boot_ns) &&
	       (ev->event == DEVNS_EVENT_SWITCH ||
		ev->event == DEVNS_EVENT_MODE ||
		(ev->event == DEVNS_EVENT_REVOKE && !ev->pid));
}

static void on_devns_event(void *arg, const struct devns_link_event *in)
{
	struct backend *b = arg;
	struct backend_event ev = {
		.event = devns_types_event_name(in->event),
		.boot_ns = in->boot_ns,
		.vp = find_vp_by_ns(b, in->ns),
		.classes = in->cls < CELLS_CLASS_COUNT ? 1U << in->cls : 0,
		.pid = in->pid,
		.uid = in->uid,
		.count = in->count,
	};
	bool comes_often =
		in->event == DEVNS_EVENT_OPEN || in->event == DEVNS_EVENT_CLOSE;

	if (is_already_reported(b, in))
		return;
	memcpy(ev.comm, in->comm, sizeof(ev.comm));
	ev.comm[sizeof(ev.comm) - 1] = '\0';
	if (in->event == DEVNS_EVENT_COMBO)
		ev.count = in->combo;
	if (in->event == DEVNS_EVENT_REVOKE && !in->pid)
		ev.count = in->handles + in->mappings;
	if (!comes_often ||
	    event_coalesce_add(&b->bursts, &ev, clock_boot_ns()))
		b->fn(b->arg, &ev);
}

static int get_devns_event_fd(struct backend *b)
{
	return b->events;
}

static void drain_events(struct backend *b, backend_event_fn *fn, void *arg)
{
	struct err e;

	backend_cgroup_type.drain(b->cgroups, fn, arg);
	b->fn = fn;
	b->arg = arg;
	if (devns_link_drain_events(b->link, on_devns_event, b, &e) < 0)
		log_error("%s", e.text);
	b->fn = NULL;
	b->own.n = 0;
}

static bool flush_events(struct backend *b, backend_event_fn *fn, void *arg)
{
	bool left = backend_cgroup_type.flush(b->cgroups, fn, arg);

	return event_coalesce_flush(&b->bursts, clock_boot_ns(), fn, arg) ||
	       left;
}

/* ---- open */

static void free_devns_backend(struct backend *b)
{
	if (!b)
		return;
	backend_cgroup_type.free(b->cgroups);
	devns_link_free(b->link);
	auto_closep(&b->events);
	free(b->nodes.node);
	free(b->endpoints.node);
	free(b);
}

static void devns_backend_freep(struct backend **b)
{
	free_devns_backend(*b);
}

static int open_event_epoll(struct backend *b, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN };

	b->events = epoll_create1(EPOLL_CLOEXEC);
	if (b->events < 0 ||
	    epoll_ctl(b->events, EPOLL_CTL_ADD, devns_link_fd(b->link), &ev) <
		    0 ||
	    epoll_ctl(b->events, EPOLL_CTL_ADD,
		      backend_cgroup_type.fd(b->cgroups), &ev) < 0)
		return err_sys(e, errno, "listen to devns");
	return 0;
}

static int create_devns_backend(const struct backend_vp *vps, unsigned int n,
				struct backend **ret, struct err *e)
{
	AUTO(devns_backend_freep) struct backend *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_oom(e, "make the device backend");
	b->events = -1;
	r = devns_link_open(&b->link, e);
	if (r == 0)
		r = devns_link_listen(b->link, e);
	if (r == 0)
		r = backend_cgroup_type.make(vps, n, &b->cgroups, e);
	if (r == 0)
		r = open_event_epoll(b, e);
	if (r == 0)
		r = adopt_all_namespaces(b, vps, n, e);
	if (r < 0)
		return r;
	*ret = steal(b);
	return 0;
}

const struct backend_type backend_devns_type = {
	.name = "devns",
	.level = "mapped",
	.make = create_devns_backend,
	.free = free_devns_backend,
	.set_nodes = set_devns_nodes,
	.each_endpoint = each_devns_endpoint,
	.attach = attach_devns_vp,
	.detach = detach_devns_vp,
	.set_policy = apply_devns_table,
	.check_shown = check_devns_display,
	.allow = set_devns_allowed,
	.allowed = get_devns_allowed,
	.fd = get_devns_event_fd,
	.drain = drain_events,
	.flush = flush_events,
};
