/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/device.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/command.h"
#include "policyd/image.h"
#include "policyd/observe.h"
#include "policyd/policyd.h"
#include "policyd/target.h"

#include <errno.h>
#include <string.h>

#define CALL_USEC (UINT64_C(600) * 1000 * 1000)
#define CAUSE_SIZE 24
#define OWNER_SIZE 64
/* Between attempts after cellsd said no. */
#define RETRY_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct device {
	struct policyd *p;
	bool is_present, is_busy, is_ready, again;
	bool is_current;   /* what is in force was applied since it came */
	uint64_t retry_ns; /* mono; 0: nothing to try again */
	enum doc_level level;
	char backend[16], cause[CAUSE_SIZE], sent_cause[CAUSE_SIZE];
	char owner[OWNER_SIZE]; /* its unique name on the bus */
	json_t *classes;	/* name -> nodes */
	json_t *lacks;		/* VP -> what is not enforced of it */
	json_t *given;	  /* digests of layers that cellsd holds, as keys */
	uint64_t sent_ns; /* mono, of Apply */
	struct target *sent;
};

static void sync_start(struct device *d);
static void push_layers(struct device *d);

/* ---- calls */
int device_message(struct policyd *p, const char *method, sd_bus_message **ret)
{
	/*
	 * By its unique name: the well-known one may already be the next
	 * cellsd's, which has not been told yet what is in force.
	 */
	const char *owner =
		*p->device->owner ? p->device->owner : BUS_DEVICE_NAME;

	return sd_bus_message_new_method_call(
		p->bus, ret, owner, BUS_DEVICE_PATH, BUS_DEVICE_NAME, method);
}

int device_call(struct policyd *p, sd_bus_message *m,
		sd_bus_message_handler_t handler, void *arg)
{
	/* It is started by the system, never by us. */
	sd_bus_message_set_auto_start(m, 0);
	return sd_bus_call_async(p->bus, NULL, m, handler, arg, CALL_USEC);
}

bool device_has_spoken(const sd_bus_error *error)
{
	static const char ours[] = "org.cells.Error.";

	return error && error->name &&
	       strncmp(error->name, ours, sizeof(ours) - 1) == 0;
}

static int read_value(sd_bus_message *m, const char *type, json_t **ret)
{
	union {
		const char *s;
		uint32_t u;
		int32_t i;
		uint64_t t;
		int64_t x;
		int b;
	} v;
	int r = sd_bus_message_read_basic(m, *type, &v);

	if (r < 0)
		return r;
	switch (*type) {
	case 's':
		*ret = json_string(v.s);
		break;
	case 'u':
		*ret = json_integer(v.u);
		break;
	case 'i':
		*ret = json_integer(v.i);
		break;
	case 't':
		*ret = json_integer((json_int_t)v.t);
		break;
	case 'x':
		*ret = json_integer(v.x);
		break;
	default:
		*ret = json_boolean(v.b);
		break;
	}
	return *ret ? 0 : -ENOMEM;
}

int device_read_names(sd_bus_message *m, json_t **ret)
{
	auto_json json_t *list = json_array();
	const char *s;
	int r = sd_bus_message_enter_container(m, 'a', "s");

	while (r >= 0 && (r = sd_bus_message_read(m, "s", &s)) > 0)
		if (json_array_append_new(list, json_string(s)) < 0)
			return -ENOMEM;
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r >= 0)
		*ret = steal(list);
	return r < 0 ? r : 0;
}

/* A variant of a type that is not read here is left out: *ret is NULL. */
static int read_variant(sd_bus_message *m, json_t **ret)
{
	const char *type;
	int r = sd_bus_message_peek_type(m, NULL, &type);
	bool list = r >= 0 && strcmp(type, "as") == 0;

	*ret = NULL;
	if (r < 0)
		return r;
	if (!list && (strlen(type) != 1 || !strchr("suitxb", *type)))
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_enter_container(m, 'v', type);
	if (r >= 0)
		r = list ? device_read_names(m, ret) : read_value(m, type, ret);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

int device_read_details(sd_bus_message *m, json_t **ret)
{
	auto_json json_t *o = json_object();
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (o && r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *name;
		json_t *j = NULL;

		r = sd_bus_message_read(m, "s", &name);
		if (r >= 0)
			r = read_variant(m, &j);
		if (j && json_object_set_new(o, name, j) < 0)
			r = -ENOMEM;
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return r;
	r = sd_bus_message_exit_container(m);
	if (r < 0)
		return r;
	if (!o)
		return -ENOMEM;
	*ret = steal(o);
	return 0;
}

/* ---- state */
void device_note_lacks(struct policyd *p, const char *vp, json_t *names)
{
	if (names)
		json_object_set_new(p->device->lacks, vp, names);
	else
		json_object_del(p->device->lacks, vp);
}

json_t *device_lacks(const struct policyd *p, const char *vp)
{
	return json_object_get(p->device->lacks, vp);
}

bool device_is_ready(const struct policyd *p)
{
	return p->device->is_present && p->device->is_ready;
}

enum doc_level device_level(const struct policyd *p)
{
	return p->device->level;
}

bool device_has_class(const struct policyd *p, enum cells_class c)
{
	return json_object_get(p->device->classes, class_name(c)) != NULL;
}

json_t *device_inventory(const struct policyd *p)
{
	const struct device *d = p->device;

	return json_pack("{ss ss sO}", "backend", d->backend, "level",
			 doc_level_name(d->level), "classes", d->classes);
}

/* Something did not work: the next tick starts over. */
static int stumble(struct device *d, const char *what,
		   const sd_bus_error *error, int r)
{
	struct err e;

	d->is_busy = false;
	if (d->is_present) {
		bus_take_err(error, r, what, &e);
		log_warning("cellsd: %s", e.text);
		d->retry_ns = clock_mono_ns() + RETRY_NS;
	}
	return 0;
}

static int call(struct device *d, const char *method,
		sd_bus_message_handler_t handler)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = device_message(d->p, method, &m);

	if (r >= 0)
		r = device_call(d->p, m, handler, d);
	if (r < 0)
		stumble(d, method, NULL, r);
	return r;
}

/* ---- what is there: Inventory, Layers, List */
static int on_list(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct device *d = arg;
	struct err e;

	d->is_busy = false;
	if (sd_bus_message_is_method_error(m, NULL))
		return stumble(d, "list VPs", sd_bus_message_get_error(m), 0);
	if (observe_list(d->p, m, &e) < 0)
		log_error("list VPs: %s", e.text);
	device_push(d->p, "start");
	return 0;
}

static int on_layers(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct device *d = arg;
	const char *digest;
	int r;

	if (sd_bus_message_is_method_error(m, NULL))
		return stumble(d, "ask for layers", sd_bus_message_get_error(m),
			       0);
	json_object_clear(d->given);
	r = sd_bus_message_enter_container(m, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &digest)) > 0)
		json_object_set_new(d->given, digest, json_true());
	if (r < 0)
		return stumble(d, "ask for layers", NULL, r);
	call(d, "List", on_list);
	return 0;
}

static int read_classes(sd_bus_message *m, json_t *classes)
{
	int r = sd_bus_message_enter_container(m, 'a', "(uas)");

	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'r', "uas")) > 0) {
		json_t *nodes = json_array();
		const char *node;
		uint32_t c;

		r = sd_bus_message_read(m, "u", &c);
		if (r >= 0)
			r = sd_bus_message_enter_container(m, 'a', "s");
		while (r >= 0 && (r = sd_bus_message_read(m, "s", &node)) > 0)
			json_array_append_new(nodes, json_string(node));
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r >= 0 && c < CELLS_CLASS_COUNT)
			json_object_set(classes, class_name(c), nodes);
		json_decref(nodes);
	}
	return r;
}

static enum doc_level level_of(const char *name)
{
	enum doc_level l = DOC_MAPPED;

	while (l > DOC_OPEN && strcmp(doc_level_name(l), name) != 0)
		l--;
	return l;
}

static int save_level(struct device *d, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	int r = store_begin(d->p->store, true, &tx, e);

	if (r == 0)
		r = store_set_text(d->p->store, STORE_LEVEL,
				   doc_level_name(d->level), e);
	return r < 0 ? r : store_commit(&tx, e);
}

static int on_inventory(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *backend, *level;
	struct device *d = arg;
	enum doc_level old = d->level;
	struct err e;
	int r;

	if (sd_bus_message_is_method_error(m, NULL))
		return stumble(d, "ask for the inventory",
			       sd_bus_message_get_error(m), 0);
	r = sd_bus_message_read(m, "ss", &backend, &level);
	if (r >= 0) {
		snprintf(d->backend, sizeof(d->backend), "%s", backend);
		d->level = level_of(level);
		json_object_clear(d->classes);
		r = read_classes(m, d->classes);
	}
	if (r < 0)
		return stumble(d, "ask for the inventory", NULL, r);
	if (d->level != old && save_level(d, &e) < 0)
		log_error("save level: %s", e.text);
	call(d, "Layers", on_layers);
	return 0;
}

static void sync_start(struct device *d)
{
	d->is_busy = true;
	d->retry_ns = 0;
	call(d, "Inventory", on_inventory);
}

/* ---- pushing: layers one by one, then Apply */
static void push_end(struct device *d)
{
	target_free(d->sent);
	d->sent = NULL;
	d->is_busy = false;
	d->is_ready = true;
	command_run(d->p);
	image_collect(d->p);
	if (d->again)
		device_push(d->p, d->cause);
}

/* cellsd's own no has a receipt; orders go on, and so do attempts. */
static int push_failed(struct device *d, const char *what, sd_bus_message *m)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	struct err e;

	if (!device_has_spoken(error))
		return stumble(d, what, error, 0);
	bus_take_err(error, 0, what, &e);
	log_error("cellsd: %s", e.text);
	observe_not_applied(d->p, &e);
	d->retry_ns = clock_mono_ns() + RETRY_NS;
	push_end(d);
	return 0;
}

static int on_applied(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct device *d = arg;
	struct err e;

	if (sd_bus_message_is_method_error(m, NULL))
		return push_failed(d, "apply", m);
	if (observe_applied(d->p, d->sent, m, d->sent_ns, d->sent_cause, &e) <
	    0) {
		log_error("write receipts: %s", e.text);
		return stumble(d, "apply", NULL, -EIO);
	}
	d->is_current = true;
	push_end(d);
	return 0;
}

static int push_apply(struct device *d)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = device_message(d->p, "Apply", &m);

	if (r >= 0)
		r = target_write(d->sent, d->p, m, d->sent_cause);
	d->sent_ns = clock_mono_ns();
	if (r >= 0)
		r = device_call(d->p, m, on_applied, d);
	return r;
}

static int on_layer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct device *d = arg;

	if (sd_bus_message_is_method_error(m, NULL))
		return push_failed(d, "give layer", m);
	push_layers(d);
	return 0;
}

/* 1: one was sent, and on_layer() goes on; 0: cellsd has all of them. */
static int push_layer(struct device *d)
{
	for (unsigned int i = 0; i < d->p->force.n; i++) {
		const struct doc *doc = d->p->force.doc[i]->doc;
		const struct doc_image *im;

		if (doc->head.type != DOC_IMAGE)
			continue;
		im = doc_as_image(doc);
		for (unsigned int k = 0; k < im->n_layers; k++) {
			AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
			const char *digest = im->layer[k].digest;
			auto_close int fd = -1;
			int r;

			if (json_object_get(d->given, digest))
				continue;
			fd = image_open_layer(d->p, digest);
			if (fd < 0)
				return fd;
			r = device_message(d->p, "Layer", &m);
			if (r >= 0)
				r = sd_bus_message_append(m, "sh", digest, fd);
			if (r >= 0)
				r = device_call(d->p, m, on_layer, d);
			if (r >= 0)
				json_object_set_new(d->given, digest,
						    json_true());
			return r < 0 ? r : 1;
		}
	}
	return 0;
}

static void push_layers(struct device *d)
{
	int r = push_layer(d);

	if (r == 0)
		r = push_apply(d);
	if (r < 0)
		stumble(d, "apply", NULL, r);
}

void device_push(struct policyd *p, const char *cause)
{
	struct device *d = p->device;
	struct err e;

	snprintf(d->cause, sizeof(d->cause), "%s", cause);
	if (!d->is_present)
		return;
	if (d->is_busy) {
		d->again = true;
		return;
	}
	d->again = false;
	d->retry_ns = 0;
	if (p->force.n == 0 || store_int(p->store, STORE_RESETTING, 0)) {
		/* Nothing is decided, or all is given up: no VP is made. Orders
		 * may come all the same. */
		d->is_ready = true;
		command_run(p);
		return;
	}
	if (target_new(p, &d->sent, &e) < 0) {
		log_error("evaluate: %s", e.text);
		d->retry_ns = clock_mono_ns() + RETRY_NS;
		return;
	}
	if (d->is_current && !target_is_news(d->sent)) {
		push_end(d);
		return;
	}
	d->is_busy = true;
	snprintf(d->sent_cause, sizeof(d->sent_cause), "%s", d->cause);
	push_layers(d);
}

void device_tick(struct policyd *p)
{
	struct device *d = p->device;

	if (!d->is_present || d->is_busy || d->retry_ns == 0 ||
	    clock_mono_ns() < d->retry_ns)
		return;
	/* What was half done is asked for anew. */
	target_free(d->sent);
	d->sent = NULL;
	sync_start(d);
}

void device_layer_dropped(struct policyd *p, const char *digest)
{
	json_object_del(p->device->given, digest);
}

/* ---- coming and going */
static void appear(struct device *d, const char *owner)
{
	log_info("cellsd is there");
	snprintf(d->owner, sizeof(d->owner), "%s", owner);
	d->is_present = true;
	d->is_ready = d->is_current = d->again = false;
	target_free(d->sent);
	d->sent = NULL;
	sync_start(d);
}

static int on_owner(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name, *old, *new;
	struct device *d = arg;

	if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
		return 0;
	d->is_present = d->is_ready = d->is_busy = false;
	command_forget_running(d->p);
	if (*new)
		appear(d, new);
	else
		log_warning("cellsd has gone");
	return 0;
}

static int on_get_owner(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct device *d = arg;
	const char *owner;

	if (!d->is_present && !sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "s", &owner) >= 0)
		appear(d, owner);
	return 0;
}

static int listen_bus(struct device *d)
{
	static const struct {
		const char *member;
		sd_bus_message_handler_t handler;
	} signals[] = {
		{ "Switched", observe_on_switched },
		{ "Changed", observe_on_changed },
		{ "Event", observe_on_event },
		{ "Revoked", observe_on_revoked },
		{ "Idle", observe_on_idle },
	};
	int r;

	r = sd_bus_add_match(d->p->bus, NULL,
			     "type='signal',sender='org.freedesktop.DBus',"
			     "interface='org.freedesktop.DBus',"
			     "member='NameOwnerChanged',"
			     "arg0='" BUS_DEVICE_NAME "'",
			     on_owner, d);
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
		r = sd_bus_match_signal(d->p->bus, NULL, BUS_DEVICE_NAME,
					BUS_DEVICE_PATH, BUS_DEVICE_NAME,
					signals[i].member, signals[i].handler,
					d->p);
	if (r >= 0)
		r = sd_bus_call_method_async(
			d->p->bus, NULL, "org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus",
			"GetNameOwner", on_get_owner, d, "s", BUS_DEVICE_NAME);
	return r;
}

/* As cellsd last told; the weakest if it never did. */
static enum doc_level load_level(struct policyd *p)
{
	auto_free char *level = NULL;
	struct err ignored;

	return store_text(p->store, STORE_LEVEL, &level, &ignored) == 0
		       ? level_of(level)
		       : DOC_OPEN;
}

int device_new(struct policyd *p, struct device **ret, struct err *e)
{
	AUTO(device_freep) struct device *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "watch cellsd");
	d->p = p;
	d->classes = json_object();
	d->lacks = json_object();
	d->given = json_object();
	if (!d->classes || !d->lacks || !d->given)
		return err_oom(e, "watch cellsd");
	d->level = load_level(p);
	r = listen_bus(d);
	if (r < 0)
		return err_sys(e, -r, "watch cellsd");
	*ret = steal(d);
	return 0;
}

void device_free(struct device *d)
{
	if (!d)
		return;
	target_free(d->sent);
	json_decref(d->classes);
	json_decref(d->lacks);
	json_decref(d->given);
	free(d);
}
