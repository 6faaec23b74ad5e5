/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backend `devns`: the kernel module decides what endpoints can do, also those
 * that are open or mapped. The `cgroup` backend stands under it: it lets a VP
 * open its own endpoints, keeps the real nodes behind them shut, and remains
 * the way to what is not passed on. All state that matters is in the kernel; it
 * is read again at each start.
 */
#include "cellsd/backend_cgroup.h"
#include "cellsd/devns_display.h"
#include "cellsd/devns_link.h"
#include "cellsd/event_coalesce.h"
#include "cellsd/own_changes.h"
#include "cellsd/roster.h"
#include "cellsd/source_plan.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define RIGHTS_MAX ((size_t)ROSTER_VPS_MAX * CELLS_CLASS_COUNT)
#define SWITCH_TRIES 3

struct held {
	uint32_t vp, ns;
};

struct list {
	struct backend_node *node;
	size_t n;
};

struct backend {
	struct backend *gate;
	struct devnslink *link;
	int events; /* epoll of both */
	struct held held[ROSTER_VPS_MAX];
	unsigned int n_held;
	struct list nodes, endpoints;
	uint32_t active;
	uint64_t generation;
	struct devnslink_right right[RIGHTS_MAX]; /* as last set */
	size_t n_rights;
	bool is_set;
	struct window own; /* changes that we made */
	struct burst bursts;
	backend_fn *fn; /* while events are drained */
	void *arg;
};

static uint32_t vp_of(const struct backend *b, uint32_t ns)
{
	for (unsigned int i = 0; i < b->n_held; i++)
		if (b->held[i].ns == ns)
			return b->held[i].vp;
	return 0;
}

static uint32_t ns_of(const struct backend *b, uint32_t vp)
{
	for (unsigned int i = 0; i < b->n_held; i++)
		if (b->held[i].vp == vp)
			return b->held[i].ns;
	return 0;
}

static void forget(struct backend *b, uint32_t ns)
{
	for (unsigned int i = 0; i < b->n_held; i++)
		if (b->held[i].ns == ns)
			b->held[i] = b->held[--b->n_held];
}

/* ---- nodes */

static int append(struct list *l, const struct backend_node *n)
{
	struct backend_node *node =
		reallocarray(l->node, l->n + 1, sizeof(*node));

	if (!node)
		return -ENOMEM;
	l->node = node;
	l->node[l->n++] = *n;
	return 0;
}

struct reading {
	const struct backend *b;
	struct list list;
	int r;
};

static void take_endpoint(void *arg, const struct devnslink_endpoint *ep)
{
	struct reading *rd = arg;
	struct backend_node n = { .major = ep->major,
				  .minor = ep->minor,
				  .classes = ep->classes,
				  .way = BACKEND_ENDPOINT,
				  .vp = vp_of(rd->b, ep->ns) };

	if (!n.vp || (!n.major && !n.minor))
		return;
	snprintf(n.name, sizeof(n.name), "%s", ep->node);
	if (rd->r == 0)
		rd->r = append(&rd->list, &n);
}

static int read_endpoints(struct backend *b, struct err *e)
{
	struct reading rd = { .b = b };
	int r = devnslink_each_endpoint(b->link, take_endpoint, &rd, e);

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

/* The device program's part: endpoints open, what they stand for does not. */
static int put_nodes(struct backend *b, struct err *e)
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
	return gate_put_nodes(b->gate, all, n, e);
}

static int refresh(struct backend *b, struct err *e)
{
	int r = read_endpoints(b, e);

	return r < 0 ? r : put_nodes(b, e);
}

/* ---- sources */

struct sources {
	struct devnslink_source *item;
	size_t n;
	bool failed;
};

static void take_source(void *arg, const struct devnslink_source *s)
{
	struct sources *l = arg;
	struct devnslink_source *item =
		reallocarray(l->item, l->n + 1, sizeof(*item));

	l->failed |= !item;
	if (!item)
		return;
	l->item = item;
	l->item[l->n++] = *s;
}

static bool is_endpoint(const struct backend *b, const struct backend_node *n)
{
	for (size_t i = 0; i < b->endpoints.n; i++)
		if (!n->block && b->endpoints.node[i].major == n->major &&
		    b->endpoints.node[i].minor == n->minor)
			return true;
	return false;
}

/* What stood under that name at the last listing. */
static const struct backend_node *known(const struct backend *b,
					const struct backend_node *n)
{
	for (size_t i = 0; i < b->nodes.n; i++)
		if (strcmp(b->nodes.node[i].name, n->name) == 0)
			return &b->nodes.node[i];
	return NULL;
}

/* A device that went and came again under its old number is another one. */
static bool is_reborn(const struct backend *b, const struct backend_node *n)
{
	const struct backend_node *old = known(b, n);

	return old && old->birth != n->birth;
}

static bool is_wanted(const struct backend *b, const struct backend_node *nodes,
		      size_t n, const struct devnslink_source *s)
{
	struct devnslink_source want;

	if (s->kind == DEVNS_KIND_POWER)
		return true;
	for (size_t i = 0; i < n; i++)
		if (nodes[i].way == BACKEND_BY_ENDPOINT &&
		    sourceplan_of(&nodes[i], &want) == BACKEND_BY_ENDPOINT &&
		    sourceplan_equal(&want, s))
			return !is_reborn(b, &nodes[i]);
	return false;
}

static void drop_sources(struct backend *b, const struct backend_node *nodes,
			 size_t n, struct sources *have)
{
	struct err e;

	for (size_t i = 0; i < have->n; i++) {
		if (is_wanted(b, nodes, n, &have->item[i]))
			continue;
		if (devnslink_source_del(b->link, have->item[i].id, &e) < 0)
			log_warning("%s", e.text);
		have->item[i].id = 0;
	}
}

static void give_source(struct backend *b, struct backend_node *n,
			const struct sources *have)
{
	const struct backend_node *old = known(b, n);
	struct devnslink_source want;
	struct err e;
	uint32_t id;

	sourceplan_of(n, &want);
	for (size_t i = 0; i < have->n; i++)
		if (have->item[i].id && sourceplan_equal(&want, &have->item[i]))
			return;
	if (devnslink_source_add(b->link, &want, &id, &e) == 0)
		return;
	/* Not passed on, it is not given in a weaker way either. */
	n->way = BACKEND_SHUT;
	if (!old || old->birth != n->birth || old->way != BACKEND_SHUT)
		log_warning("%s", e.text);
}

static int devns_set_nodes(struct backend *b, struct backend_node *nodes,
			   size_t n, struct err *e)
{
	struct sources have = { 0 };
	struct devnslink_source unused;
	struct backend_node *copy = calloc(n + 1, sizeof(*copy));
	int r = copy ? read_endpoints(b, e) : err_oom(e, "list the hardware");

	if (r == 0)
		r = devnslink_each_source(b->link, take_source, &have, e);
	if (r == 0 && have.failed)
		r = err_oom(e, "list sources");
	for (size_t i = 0; r == 0 && i < n; i++)
		nodes[i].way = is_endpoint(b, &nodes[i])
				       ? BACKEND_SHUT
				       : sourceplan_of(&nodes[i], &unused);
	if (r == 0)
		drop_sources(b, nodes, n, &have);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (nodes[i].way == BACKEND_BY_ENDPOINT)
			give_source(b, &nodes[i], &have);
	free(have.item);
	if (r < 0) {
		free(copy);
		return r;
	}
	memcpy(copy, nodes, n * sizeof(*copy));
	free(b->nodes.node);
	b->nodes = (struct list){ copy, n };
	return refresh(b, e);
}

static void devns_each_endpoint(const struct backend *b, uint32_t vp,
				backend_node_fn *fn, void *arg)
{
	for (size_t i = 0; i < b->endpoints.n; i++)
		if (b->endpoints.node[i].vp == vp)
			fn(arg, &b->endpoints.node[i]);
}

/* ---- namespaces */

struct adopting {
	struct backend *b;
	const struct backend_vp *vps;
	unsigned int n;
	uint32_t stray[DEVNS_ID_MAX];
	unsigned int n_stray;
};

static void adopt(void *arg, const struct devnslink_ns *ns)
{
	struct adopting *a = arg;
	struct backend *b = a->b;

	if (ns->active)
		b->active = ns->id;
	b->generation = ns->generation;
	for (unsigned int i = 0; i < a->n; i++) {
		if (strcmp(a->vps[i].name, ns->name) != 0)
			continue;
		b->held[b->n_held++] =
			(struct held){ a->vps[i].number, ns->id };
		return;
	}
	if (a->n_stray < DEVNS_ID_MAX)
		a->stray[a->n_stray++] = ns->id;
}

/* What a daemon before us left: of VPs that run, or of nobody. */
static int adopt_all(struct backend *b, const struct backend_vp *vps,
		     unsigned int n, struct err *e)
{
	auto_free struct adopting *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return err_oom(e, "list devns");
	*a = (struct adopting){ .b = b, .vps = vps, .n = n };
	r = devnslink_each_ns(b->link, adopt, a, e);
	for (unsigned int i = 0; r == 0 && i < a->n_stray; i++) {
		r = devnslink_ns_del(b->link, a->stray[i], e);
		if (r == 0 && b->active == a->stray[i])
			b->active = 0;
	}
	return r;
}

/* One that could not be deleted when its VP ended goes first. */
static int add_ns(struct backend *b, const char *name, uint32_t *ret,
		  struct err *e)
{
	int r = devnslink_ns_add(b->link, name, ret, e);
	uint32_t old;

	if (r != -EEXIST)
		return r;
	r = devnslink_ns_find(b->link, name, &old, e);
	if (r == 0)
		r = devnslink_ns_del(b->link, old, e);
	return r < 0 ? r : devnslink_ns_add(b->link, name, ret, e);
}

static int devns_hold(struct backend *b, const struct backend_vp *vp,
		      struct err *e)
{
	struct devnslink_ns ns;
	uint32_t id;
	int r = gate_backend.hold(b->gate, vp, e);

	if (r < 0 || ns_of(b, vp->number))
		return r;
	if (b->n_held == ROSTER_VPS_MAX)
		return err_set(e, EBUSY, "more than %d devns", ROSTER_VPS_MAX);
	r = add_ns(b, vp->name, &id, e);
	if (r < 0)
		return r;
	b->held[b->n_held++] = (struct held){ vp->number, id };
	/* The module counts on from what was set before we came. */
	r = devnslink_ns_get(b->link, id, &ns, e);
	if (r == 0 && ns.generation > b->generation)
		b->generation = ns.generation;
	return r == 0 ? refresh(b, e) : r;
}

static void devns_release(struct backend *b, uint32_t vp)
{
	uint32_t ns = ns_of(b, vp);
	size_t kept = 0;
	struct err e;

	if (!ns)
		return;
	if (devnslink_ns_del(b->link, ns, &e) < 0)
		log_error("%s", e.text);
	if (b->active == ns)
		b->active = 0;
	forget(b, ns);
	for (size_t i = 0; i < b->n_rights; i++)
		if (b->right[i].ns != ns)
			b->right[kept++] = b->right[i];
	b->n_rights = kept;
	if (refresh(b, &e) < 0)
		log_error("%s", e.text);
}

/* ---- decisions */

struct own {
	uint64_t boot, mono;
};

static struct own own_begin(void)
{
	return (struct own){ clock_boot_ns(), clock_mono_ns() };
}

static void tell_cuts(const struct backend *b, const struct devnslink_change *c,
		      backend_cut_fn *fn, void *arg)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct devnslink_cut *k = &c->cut[i];
		const struct backend_cut cut = { vp_of(b, k->ns), k->cls,
						 k->handles, k->mappings };

		if (k->killed)
			log_warning("class %u: %u processes did not let go in "
				    "time and were ended",
				    k->cls, k->killed);
		if (cut.vp && cut.cls < CELLS_CLASS_COUNT)
			fn(arg, &cut);
	}
}

static size_t rights_of(const struct backend *b, const struct backend_table *t,
			struct devnslink_right ret[RIGHTS_MAX])
{
	size_t n = 0;

	memset(ret, 0, RIGHTS_MAX * sizeof(*ret));
	for (size_t i = 0; i < t->n; i++) {
		uint32_t ns = ns_of(b, t->row[i].vp);

		for (int c = 0; ns && c < CELLS_CLASS_COUNT; c++) {
			struct cells_right r = t->row[i].right[c];

			if (r.use != CELLS_USE_NONE || r.block)
				ret[n++] = (struct devnslink_right){ ns, c, r };
		}
	}
	return n;
}

static bool is_same(const struct backend *b, const struct devnslink_right *r,
		    size_t n)
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

static int set_policy(struct backend *b, const struct backend_table *t,
		      backend_cut_fn *fn, void *arg, uint64_t *ret_ns,
		      struct err *e)
{
	AUTO(devnslink_change_fini) struct devnslink_change c = { 0 };
	struct devnslink_right right[RIGHTS_MAX];
	size_t n = rights_of(b, t, right);
	struct own own = own_begin();
	int r;

	if (is_same(b, right, n))
		return 0;
	b->is_set = false;
	r = devnslink_policy_set(b->link, b->generation + 1, right, n, &c, e);
	window_add(&b->own, own.boot, clock_boot_ns());
	if (r < 0)
		return r;
	b->generation++;
	memcpy(b->right, right, n * sizeof(*right));
	b->n_rights = n;
	b->is_set = true;
	*ret_ns = own.mono + c.took_ns;
	tell_cuts(b, &c, fn, arg);
	return 0;
}

static void find_active(void *arg, const struct devnslink_ns *ns)
{
	if (ns->active)
		*(uint32_t *)arg = ns->id;
}

/* Nobody but us switches; should somebody have, theirs is what we leave. */
static int set_active(struct backend *b, uint32_t ns, backend_cut_fn *fn,
		      void *arg, uint64_t *ret_ns, struct err *e)
{
	AUTO(devnslink_change_fini) struct devnslink_change c = { 0 };
	struct own own = own_begin();
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < SWITCH_TRIES; i++) {
		uint32_t active = 0;
		struct err ignored;

		own = own_begin();
		r = devnslink_active_set(b->link, b->active, ns, &c, e);
		if (r == -ESTALE && devnslink_each_ns(b->link, find_active,
						      &active, &ignored) == 0)
			b->active = active;
	}
	window_add(&b->own, own.boot, clock_boot_ns());
	if (r < 0)
		return r;
	b->active = ns;
	*ret_ns = own.mono + c.took_ns;
	tell_cuts(b, &c, fn, arg);
	return 0;
}

static int devns_decide(struct backend *b, const struct backend_table *t,
			backend_cut_fn *fn, void *arg, uint64_t *ret_ns,
			struct err *e)
{
	uint32_t front = t->front ? ns_of(b, t->front) : 0;
	int r = set_policy(b, t, fn, arg, ret_ns, e);

	if (r == 0 && front != b->active)
		r = set_active(b, front, fn, arg, ret_ns, e);
	return r;
}

static int devns_check_shown(struct backend *b, struct err *e)
{
	return devnsshow_check(b->link, e);
}

/* ---- what is the other backend's */

static int devns_allow(struct backend *b, int leaf, uint32_t vp,
		       uint32_t classes, struct err *e)
{
	return gate_backend.allow(b->gate, leaf, vp, classes, e);
}

static int devns_allowed(struct backend *b, int leaf, uint32_t *ret_classes,
			 struct err *e)
{
	return gate_backend.allowed(b->gate, leaf, ret_classes, e);
}

/* ---- events */

/* Switches, modes and cuts that we ordered are told with their cause by who
 * ordered them; what the kernel did by itself is told here. */
static bool is_told(const struct backend *b, const struct devnslink_event *ev)
{
	switch (ev->event) {
	case DEVNS_EVENT_SWITCH:
	case DEVNS_EVENT_MODE:
		return window_has(&b->own, ev->boot_ns);
	case DEVNS_EVENT_REVOKE:
		return !ev->pid && window_has(&b->own, ev->boot_ns);
	default:
		return false;
	}
}

static void on_link_event(void *arg, const struct devnslink_event *in)
{
	struct backend *b = arg;
	struct backend_event ev = {
		.event = devnslink_event_name(in->event),
		.boot_ns = in->boot_ns,
		.vp = vp_of(b, in->ns),
		.classes = in->cls < CELLS_CLASS_COUNT ? 1U << in->cls : 0,
		.pid = in->pid,
		.uid = in->uid,
		.count = in->count,
	};
	bool comes_often =
		in->event == DEVNS_EVENT_OPEN || in->event == DEVNS_EVENT_CLOSE;

	if (is_told(b, in))
		return;
	memcpy(ev.comm, in->comm, sizeof(ev.comm));
	ev.comm[sizeof(ev.comm) - 1] = '\0';
	if (in->event == DEVNS_EVENT_COMBO)
		ev.count = in->combo;
	if (in->event == DEVNS_EVENT_REVOKE && !in->pid)
		ev.count = in->handles + in->mappings;
	if (!comes_often || burst_take(&b->bursts, &ev, clock_boot_ns()))
		b->fn(b->arg, &ev);
}

static int devns_fd(struct backend *b)
{
	return b->events;
}

static void devns_drain(struct backend *b, backend_fn *fn, void *arg)
{
	struct err e;

	gate_backend.drain(b->gate, fn, arg);
	b->fn = fn;
	b->arg = arg;
	if (devnslink_drain(b->link, on_link_event, b, &e) < 0)
		log_error("%s", e.text);
	b->fn = NULL;
	b->own.n = 0;
}

static bool devns_flush(struct backend *b, backend_fn *fn, void *arg)
{
	bool left = gate_backend.flush(b->gate, fn, arg);

	return burst_flush(&b->bursts, clock_boot_ns(), fn, arg) || left;
}

/* ---- open */

static void devns_free(struct backend *b)
{
	if (!b)
		return;
	gate_backend.free(b->gate);
	devnslink_free(b->link);
	auto_closep(&b->events);
	free(b->nodes.node);
	free(b->endpoints.node);
	free(b);
}

static void devns_freep(struct backend **b)
{
	devns_free(*b);
}

static int listen_to(struct backend *b, struct err *e)
{
	struct epoll_event ev = { .events = EPOLLIN };

	b->events = epoll_create1(EPOLL_CLOEXEC);
	if (b->events < 0 ||
	    epoll_ctl(b->events, EPOLL_CTL_ADD, devnslink_fd(b->link), &ev) <
		    0 ||
	    epoll_ctl(b->events, EPOLL_CTL_ADD, gate_backend.fd(b->gate), &ev) <
		    0)
		return err_sys(e, errno, "listen to devns");
	return 0;
}

static int devns_make(const struct backend_vp *vps, unsigned int n,
		      struct backend **ret, struct err *e)
{
	AUTO(devns_freep) struct backend *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return err_oom(e, "make the device backend");
	b->events = -1;
	r = devnslink_open(&b->link, e);
	if (r == 0)
		r = devnslink_listen(b->link, e);
	if (r == 0)
		r = gate_backend.make(vps, n, &b->gate, e);
	if (r == 0)
		r = listen_to(b, e);
	if (r == 0)
		r = adopt_all(b, vps, n, e);
	if (r < 0)
		return r;
	*ret = steal(b);
	return 0;
}

const struct backend_type devns_backend = {
	.name = "devns",
	.level = "mapped",
	.make = devns_make,
	.free = devns_free,
	.set_nodes = devns_set_nodes,
	.each_endpoint = devns_each_endpoint,
	.hold = devns_hold,
	.release = devns_release,
	.decide = devns_decide,
	.check_shown = devns_check_shown,
	.allow = devns_allow,
	.allowed = devns_allowed,
	.fd = devns_fd,
	.drain = devns_drain,
	.flush = devns_flush,
};
