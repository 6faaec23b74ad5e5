/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp.h"

#include "lib/auto.h"
#include "lib/crypto/hpke.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#define TEXT_MAX 1024

#define PROPERTY(name, kind, field)                                            \
	{                                                                      \
		name, kind, offsetof(struct vp_conf, field)                    \
	}
const struct vp_property vp_properties[] = {
	PROPERTY("label", VP_TEXT, label),
	PROPERTY("init", VP_TEXT, init),
	PROPERTY("attention", VP_TEXT, attention),
	PROPERTY("notify", VP_TEXT, notify),
	PROPERTY("recovery", VP_TEXT, recovery),
	PROPERTY("stop-signal", VP_INT, stop_signal),
	PROPERTY("memory-max", VP_U64, memory_max),
	PROPERTY("storage-max", VP_U64, storage_max),
	PROPERTY("overcommit", VP_BOOL, overcommit),
	PROPERTY("cpu-weight", VP_U32, cpu_weight),
	PROPERTY("io-weight", VP_U32, io_weight),
	PROPERTY("io-read-max", VP_U64, io_read_max),
	PROPERTY("io-write-max", VP_U64, io_write_max),
	PROPERTY("pids-max", VP_U32, pids_max),
	PROPERTY("idle-seconds", VP_U32, idle_seconds),
	PROPERTY("nat", VP_BOOL, nat),
	PROPERTY("net-rate", VP_U64, net_rate),
	PROPERTY("on-boot", VP_BOOL, on_boot),
	PROPERTY("no-new-privileges", VP_BOOL, no_new_privs),
	{ NULL },
};

int vp_conf_init(struct vp_conf *c, struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->label = strdup("");
	c->init = strdup("/sbin/init");
	c->attention = strdup("");
	c->notify = strdup("");
	c->recovery = strdup("");
	c->stop_signal = SIGTERM;
	if (c->label && c->init && c->attention && c->notify && c->recovery)
		return 0;
	vp_conf_fini(c);
	return err_oom(e, "VP properties");
}

void vp_conf_fini(struct vp_conf *c)
{
	free(c->label);
	free(c->init);
	free(c->attention);
	free(c->notify);
	free(c->recovery);
	for (uint32_t i = 0; i < c->n_layers; i++)
		free(c->layer[i]);
	free(c->allow);
	memset(c, 0, sizeof(*c));
}

int vp_conf_add_layer(struct vp_conf *c, const char *digest, struct err *e)
{
	uint8_t raw[32];

	if (encoding_parse_digest(digest, raw) < 0)
		return err_set(e, EINVAL, "layer '%.80s': not a digest",
			       digest);
	if (c->n_layers == VP_LAYERS_MAX)
		return err_set(e, EINVAL, "more than %d layers", VP_LAYERS_MAX);
	c->layer[c->n_layers] = strdup(digest);
	if (!c->layer[c->n_layers])
		return err_oom(e, "VP properties");
	c->n_layers++;
	return 0;
}

int vp_conf_add_allow(struct vp_conf *c, const struct firewall_allow *a,
		      struct err *e)
{
	struct firewall_allow *more;

	if (a->prefix > 32 ||
	    (a->prefix < 32 && a->address & (~0U >> a->prefix)))
		return err_set(e, EINVAL, "allow %#x/%u: not a network",
			       a->address, a->prefix);
	if (a->protocol && a->protocol != IPPROTO_TCP &&
	    a->protocol != IPPROTO_UDP)
		return err_set(e, EINVAL, "allow protocol %u: not tcp or udp",
			       a->protocol);
	if (c->n_allow == VP_ALLOW_MAX)
		return err_set(e, EINVAL, "more than %d allowed networks",
			       VP_ALLOW_MAX);
	more = realloc(c->allow, (c->n_allow + 1) * sizeof(*more));
	if (!more)
		return err_oom(e, "VP properties");
	more[c->n_allow++] = *a;
	c->allow = more;
	return 0;
}

/* "address prefix protocol port", as numbers. */
static int set_allow_property(struct vp_conf *c, const char *value,
			      struct err *e)
{
	unsigned int address, prefix, protocol, port;
	struct firewall_allow a;

	if (sscanf(value, "%u %u %u %u", &address, &prefix, &protocol, &port) !=
	    4)
		return err_set(e, EINVAL, "property allow: '%.40s'", value);
	a = (struct firewall_allow){ address, (uint8_t)prefix,
				     (uint8_t)protocol, (uint16_t)port };
	return vp_conf_add_allow(c, &a, e);
}

static int set_number_property(const struct vp_property *p, void *field,
			       const char *value, struct err *e)
{
	static const uint64_t most[] = {
		[VP_INT] = INT32_MAX,
		[VP_U32] = UINT32_MAX,
		[VP_U64] = UINT64_MAX,
		[VP_BOOL] = 1,
	};
	uint64_t n;

	if (encoding_parse_number(value, most[p->kind], &n) < 0)
		return err_set(e, EINVAL, "property %s: '%.40s'", p->name,
			       value);
	if (p->kind == VP_U64)
		*(uint64_t *)field = n;
	else if (p->kind == VP_BOOL)
		*(bool *)field = n;
	else
		*(uint32_t *)field = (uint32_t)n;
	return 0;
}

int vp_conf_set_property(struct vp_conf *c, const char *name, const char *value,
			 struct err *e)
{
	if (strcmp(name, "layer") == 0)
		return vp_conf_add_layer(c, value, e);
	if (strcmp(name, "allow") == 0)
		return set_allow_property(c, value, e);
	for (const struct vp_property *p = vp_properties; p->name; p++) {
		void *field = (char *)c + p->offset;
		char *copy;

		if (strcmp(p->name, name) != 0)
			continue;
		if (p->kind != VP_TEXT)
			return set_number_property(p, field, value, e);
		copy = strdup(value);
		if (!copy)
			return err_oom(e, "VP properties");
		free(*(char **)field);
		*(char **)field = copy;
		return 0;
	}
	return err_set(e, EINVAL, "unknown property '%.40s'", name);
}

static bool is_equal_property(const struct vp_property *p,
			      const struct vp_conf *a, const struct vp_conf *b)
{
	static const size_t sizes[] = {
		[VP_INT] = sizeof(int32_t),
		[VP_U32] = sizeof(uint32_t),
		[VP_U64] = sizeof(uint64_t),
		[VP_BOOL] = sizeof(bool),
	};
	const char *x = (const char *)a + p->offset;
	const char *y = (const char *)b + p->offset;

	if (p->kind == VP_TEXT)
		return strcmp(*(char *const *)x, *(char *const *)y) == 0;
	return memcmp(x, y, sizes[p->kind]) == 0;
}

bool vp_conf_equal(const struct vp_conf *a, const struct vp_conf *b)
{
	bool equal = a->n_layers == b->n_layers && a->n_allow == b->n_allow;

	for (const struct vp_property *p = vp_properties; equal && p->name; p++)
		equal = is_equal_property(p, a, b);
	for (uint32_t i = 0; equal && i < a->n_layers; i++)
		equal = strcmp(a->layer[i], b->layer[i]) == 0;
	for (uint32_t i = 0; equal && i < a->n_allow; i++)
		equal = a->allow[i].address == b->allow[i].address &&
			a->allow[i].prefix == b->allow[i].prefix &&
			a->allow[i].protocol == b->allow[i].protocol &&
			a->allow[i].port == b->allow[i].port;
	return equal;
}

int vp_conf_check(const struct vp_conf *c, const char *vp, struct err *e)
{
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];

	if (strlen(c->label) > TEXT_MAX || strlen(c->attention) > TEXT_MAX ||
	    strlen(c->notify) > TEXT_MAX || strlen(c->init) > TEXT_MAX)
		return err_set(e, EINVAL, "VP %s: text too long", vp);
	if (c->init[0] != '/')
		return err_set(e, EINVAL, "VP %s: init '%.80s' is not a path",
			       vp, c->init);
	if (c->stop_signal < 1 || c->stop_signal > SIGRTMAX)
		return err_set(e, EINVAL, "VP %s: stop signal %d", vp,
			       c->stop_signal);
	if (*c->recovery &&
	    encoding_from_hex(c->recovery, point, sizeof(point)) < 0)
		return err_set(e, EINVAL, "VP %s: no point to recover to", vp);
	if (c->n_layers == 0)
		return err_set(e, EINVAL, "VP %s: no layers", vp);
	if (c->cpu_weight > 10000 || c->io_weight > 10000)
		return err_set(e, EINVAL, "VP %s: weights %u and %u", vp,
			       c->cpu_weight, c->io_weight);
	return 0;
}

struct vp *vp_new(const char *name, struct err *e)
{
	struct vp *v = calloc(1, sizeof(*v));

	if (!v || vp_conf_init(&v->conf, e) < 0) {
		free(v);
		err_oom(e, "make a VP");
		return NULL;
	}
	snprintf(v->name, sizeof(v->name), "%s", name);
	return v;
}

void vp_free(struct vp *v)
{
	if (!v)
		return;
	vp_conf_fini(&v->conf);
	vp_run_free(v->run);
	vp_run_free(v->prepared);
	free(v);
}

struct vp_run *vp_run_new(const char *cgroup_name)
{
	struct vp_run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->init_process = (struct init_process)INIT_PROCESS_NONE;
	r->cgroup = r->pidfd = r->events = r->dev = r->dir = -1;
	r->console = r->tty = -1;
	snprintf(r->cgroup_name, sizeof(r->cgroup_name), "%s", cgroup_name);
	return r;
}

void vp_run_free(struct vp_run *r)
{
	if (!r)
		return;
	sd_event_source_disable_unref(r->on_exit);
	sd_event_source_disable_unref(r->on_empty);
	sd_event_source_disable_unref(r->on_timeout);
	sd_event_source_disable_unref(r->on_console);
	assert(!r->foreground_socket);
	init_process_fini(&r->init_process);
	auto_closep(&r->cgroup);
	auto_closep(&r->pidfd);
	auto_closep(&r->events);
	auto_closep(&r->dev);
	auto_closep(&r->dir);
	auto_closep(&r->console);
	auto_closep(&r->tty);
	free(r->nodes);
	free(r);
}

struct backend_vp vp_get_backend_vp(const struct vp *v)
{
	return (struct backend_vp){ v->name, v->number, vp_get_run(v)->cgroup };
}

uint32_t vp_get_allowed_classes(const struct vp *v, const struct vp *foreground)
{
	static const struct cells_right none;
	uint32_t mask = 0;

	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (cells_allowed(v->right[c].right, v == foreground,
				  foreground ? foreground->right[c].right
					     : none))
			mask |= 1U << c;
	return mask;
}

int vp_add_waiter(struct vp *v, vp_done_fn *fn, void *arg, struct err *e)
{
	struct vp_waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return err_oom(e, "wait for a VP");
	w->fn = fn;
	w->arg = arg;
	w->next = v->waiters;
	v->waiters = w;
	return 0;
}

void vp_notify_waiters(struct vp *v, const struct err *e)
{
	struct vp_waiter *w = steal(v->waiters);

	while (w) {
		struct vp_waiter *next = w->next;

		w->fn(w->arg, e);
		free(w);
		w = next;
	}
}
