/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/reconcile.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/command.h"
#include "policyd/desired_state.h"
#include "policyd/device.h"
#include "policyd/device_events.h"
#include "policyd/layer_store.h"
#include "policyd/policyd.h"

#include <errno.h>
#include <string.h>

#define CAUSE_SIZE 24
/* Between attempts after cellsd said no. */
#define RETRY_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct delivery {
	struct policyd *p;
	bool is_busy, again;
	bool is_current;   /* what is in force was applied since it came */
	uint64_t retry_ns; /* mono; 0: nothing to try again */
	char cause[CAUSE_SIZE], sent_cause[CAUSE_SIZE];
	uint64_t sent_ns; /* mono, of Apply */
	struct target *sent;
};

static void sync_start(struct delivery *d);
static void push_layers(struct delivery *d);

/* Something did not work: the next tick starts over. */
static int stumble(struct delivery *d, const char *what,
		   const sd_bus_error *error, int r)
{
	struct err e;

	d->is_busy = false;
	if (device_is_present(d->p)) {
		bus_take_err(error, r, what, &e);
		log_warning("cellsd: %s", e.text);
		d->retry_ns = clock_mono_ns() + RETRY_NS;
	}
	return 0;
}

static int call(struct delivery *d, const char *method,
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
	struct delivery *d = arg;
	struct err e;

	d->is_busy = false;
	if (sd_bus_message_is_method_error(m, NULL))
		return stumble(d, "list VPs", sd_bus_message_get_error(m), 0);
	if (observe_list(d->p, m, &e) < 0) {
		log_error("list VPs: %s", e.text);
		d->p->missed = true;
	}
	delivery_push(d->p, "start");
	return 0;
}

static int on_layers(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct delivery *d = arg;
	int r;

	if (sd_bus_message_is_method_error(m, NULL))
		return stumble(d, "ask for layers", sd_bus_message_get_error(m),
			       0);
	r = device_take_layers(d->p, m);
	if (r < 0)
		return stumble(d, "ask for layers", NULL, r);
	call(d, "List", on_list);
	return 0;
}

static int on_inventory(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct delivery *d = arg;
	int r;

	if (sd_bus_message_is_method_error(m, NULL))
		return stumble(d, "ask for the inventory",
			       sd_bus_message_get_error(m), 0);
	r = device_take_inventory(d->p, m);
	if (r < 0)
		return stumble(d, "ask for the inventory", NULL, r);
	call(d, "Layers", on_layers);
	return 0;
}

static void sync_start(struct delivery *d)
{
	d->p->missed = false;
	d->is_busy = true;
	d->retry_ns = 0;
	call(d, "Inventory", on_inventory);
}

/* ---- pushing: layers one by one, then Apply */
static void push_end(struct delivery *d)
{
	target_free(d->sent);
	d->sent = NULL;
	d->is_busy = false;
	device_set_ready(d->p);
	command_run(d->p);
	shelf_collect(d->p);
	if (d->again)
		delivery_push(d->p, d->cause);
}

/* cellsd's own no has a receipt; orders go on, and so do attempts. */
static int push_failed(struct delivery *d, const char *what, sd_bus_message *m)
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
	struct delivery *d = arg;
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

static int push_apply(struct delivery *d)
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
	struct delivery *d = arg;

	if (sd_bus_message_is_method_error(m, NULL))
		return push_failed(d, "give layer", m);
	push_layers(d);
	return 0;
}

/* 1: one was sent, and on_layer() goes on; 0: cellsd has all of them. */
static int push_layer(struct delivery *d)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	auto_close int fd = -1;
	struct held_walk w = { 0 };
	const struct doc_layer *l;
	int r;

	do
		l = held_next_layer(&d->p->force, &w);
	while (l && device_has_layer(d->p, l->digest));
	if (!l)
		return 0;
	fd = shelf_open_layer(d->p->shelf, l->digest);
	if (fd < 0)
		return fd;
	r = device_message(d->p, "Layer", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "sh", l->digest, fd);
	if (r >= 0)
		r = device_call(d->p, m, on_layer, d);
	if (r >= 0)
		device_layer_given(d->p, l->digest);
	return r < 0 ? r : 1;
}

static void push_layers(struct delivery *d)
{
	int r = push_layer(d);

	if (r == 0)
		r = push_apply(d);
	if (r < 0)
		stumble(d, "apply", NULL, r);
}

static void evaluate_later(struct delivery *d, const struct err *why)
{
	log_error("evaluate: %s", why->text);
	d->retry_ns = clock_mono_ns() + RETRY_NS;
}

void delivery_push(struct policyd *p, const char *cause)
{
	struct delivery *d = p->delivery;
	int64_t resetting;
	struct err e;

	snprintf(d->cause, sizeof(d->cause), "%s", cause);
	if (!device_is_present(p))
		return;
	if (d->is_busy) {
		d->again = true;
		return;
	}
	d->again = false;
	d->retry_ns = 0;
	if (store_get_int(p->store, STORE_RESETTING, 0, &resetting, &e) < 0) {
		evaluate_later(d, &e);
		return;
	}
	if (p->force.n == 0 || resetting) {
		/* Nothing is decided, or all is given up: no VP is made. Orders
		 * may come all the same. */
		device_set_ready(p);
		command_run(p);
		return;
	}
	/* One may be left whose way to cellsd broke off. */
	target_free(steal(d->sent));
	if (target_new(p, &d->sent, &e) < 0) {
		evaluate_later(d, &e);
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

void delivery_tick(struct policyd *p)
{
	struct delivery *d = p->delivery;

	if (p->missed && d->retry_ns == 0)
		d->retry_ns = clock_mono_ns() + RETRY_NS;
	if (!device_is_present(p) || d->is_busy || d->retry_ns == 0 ||
	    clock_mono_ns() < d->retry_ns)
		return;
	/* What was half done is asked for anew. */
	target_free(d->sent);
	d->sent = NULL;
	sync_start(d);
}

/* ---- coming and going */
static void appear(struct delivery *d, const char *owner)
{
	log_info("cellsd is there");
	device_appeared(d->p, owner);
	d->is_current = d->again = false;
	target_free(d->sent);
	d->sent = NULL;
	sync_start(d);
}

static int on_owner(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name, *old, *new;
	struct delivery *d = arg;

	if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
		return 0;
	device_gone(d->p);
	d->is_busy = false;
	command_forget_running(d->p);
	if (*new)
		appear(d, new);
	else
		log_warning("cellsd has gone");
	return 0;
}

static int on_get_owner(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct delivery *d = arg;
	const char *owner;

	if (!device_is_present(d->p) &&
	    !sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "s", &owner) >= 0)
		appear(d, owner);
	return 0;
}

int delivery_new(struct policyd *p, struct delivery **ret, struct err *e)
{
	AUTO(delivery_freep) struct delivery *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "watch cellsd");
	d->p = p;
	r = sd_bus_add_match(p->bus, NULL,
			     "type='signal',sender='org.freedesktop.DBus',"
			     "interface='org.freedesktop.DBus',"
			     "member='NameOwnerChanged',"
			     "arg0='" BUS_DEVICE_NAME "'",
			     on_owner, d);
	if (r >= 0)
		r = sd_bus_call_method_async(
			p->bus, NULL, "org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus",
			"GetNameOwner", on_get_owner, d, "s", BUS_DEVICE_NAME);
	if (r < 0)
		return err_sys(e, -r, "watch cellsd");
	*ret = steal(d);
	return 0;
}

void delivery_free(struct delivery *d)
{
	if (!d)
		return;
	target_free(d->sent);
	free(d);
}
