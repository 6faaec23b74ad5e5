/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/reconcile.h"

#include "lib/auto.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/cellsd_client.h"
#include "policyd/command.h"
#include "policyd/desired_state.h"
#include "policyd/device_events.h"
#include "policyd/layer/layer_store.h"
#include "policyd/layer_cleanup.h"
#include "policyd/policyd.h"

#include <errno.h>
#include <string.h>

#define CAUSE_SIZE 24
/* Between attempts after cellsd said no. */
#define RETRY_NS (UINT64_C(10) * 1000 * 1000 * 1000)

struct reconcile {
	struct policyd *p;
	bool is_busy, again;
	sd_bus_slot *call; /* the one that is under way, if is_busy */
	bool is_current;   /* what is in force was applied since it came */
	uint64_t retry_ns; /* mono; 0: nothing to try again */
	char cause[CAUSE_SIZE], sent_cause[CAUSE_SIZE];
	uint64_t sent_ns; /* mono, of Apply */
	struct desired_state *sent;
};

static void start_device_sync(struct reconcile *d);
static void continue_push(struct reconcile *d);
static void push_state(struct reconcile *d);

/* Something did not work: the next tick starts over. */
static int handle_call_failure(struct reconcile *d, const char *what,
			       const sd_bus_error *error, int r)
{
	struct err e;

	d->is_busy = false;
	if (cellsd_client_is_present(d->p->cellsd)) {
		bus_convert_error(error, r, what, &e);
		log_warning("cellsd: %s", e.text);
		d->retry_ns = clock_mono_ns() + RETRY_NS;
	}
	return 0;
}

/* One call at a time, and its answer is the only one that is heard. */
static int send_call(struct reconcile *d, sd_bus_message *m,
		     sd_bus_message_handler_t handler)
{
	d->call = sd_bus_slot_unref(d->call);
	return cellsd_client_call_slot(d->p->cellsd, m, handler, d, &d->call);
}

static int send_device_call(struct reconcile *d, const char *method,
			    sd_bus_message_handler_t handler)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = cellsd_client_new_message(d->p->cellsd, method, &m);

	if (r >= 0)
		r = send_call(d, m, handler);
	if (r < 0)
		handle_call_failure(d, method, NULL, r);
	return r;
}

/* ---- what is there: Inventory, Layers, List */
static int on_list_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct reconcile *d = arg;
	struct err e;

	d->is_busy = false;
	if (sd_bus_message_is_method_error(m, NULL))
		return handle_call_failure(d, "list VPs",
					   sd_bus_message_get_error(m), 0);
	if (device_events_handle_list(d->p, m, &e) < 0) {
		log_error("list VPs: %s", e.text);
		d->p->missed_signal = true;
	}
	reconcile_push_state(d->p, "start");
	return 0;
}

static int on_layers_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct reconcile *d = arg;
	int r;

	if (sd_bus_message_is_method_error(m, NULL))
		return handle_call_failure(d, "ask for layers",
					   sd_bus_message_get_error(m), 0);
	r = cellsd_client_read_layers(d->p->cellsd, m);
	if (r < 0)
		return handle_call_failure(d, "ask for layers", NULL, r);
	send_device_call(d, "List", on_list_answer);
	return 0;
}

static int on_inventory_answer(sd_bus_message *m, void *arg,
			       sd_bus_error *unused)
{
	struct reconcile *d = arg;
	int r;

	if (sd_bus_message_is_method_error(m, NULL))
		return handle_call_failure(d, "ask for the inventory",
					   sd_bus_message_get_error(m), 0);
	r = cellsd_client_read_inventory(d->p->cellsd, m);
	if (r < 0)
		return handle_call_failure(d, "ask for the inventory", NULL, r);
	send_device_call(d, "Layers", on_layers_answer);
	return 0;
}

static void start_device_sync(struct reconcile *d)
{
	d->p->missed_signal = false;
	d->is_busy = true;
	d->retry_ns = 0;
	send_device_call(d, "Inventory", on_inventory_answer);
}

/* ---- pushing: layers one by one, then Apply */
static void remove_unused_layers(struct policyd *p)
{
	const struct layer_cleanup c = { p->cellsd, p->layers, &p->state };

	layer_cleanup_start(&c, p->store);
}

static void finish_push(struct reconcile *d)
{
	desired_state_free(d->sent);
	d->sent = NULL;
	d->is_busy = false;
	cellsd_client_set_ready(d->p->cellsd);
	command_run_pending(d->p->commands);
	remove_unused_layers(d->p);
	if (d->again)
		push_state(d);
}

/* cellsd's own no has a receipt; commands go on, and so do attempts. */
static int handle_push_failure(struct reconcile *d, const char *what,
			       sd_bus_message *m)
{
	const sd_bus_error *error = sd_bus_message_get_error(m);
	struct err e;

	if (!cellsd_client_is_own_error(error))
		return handle_call_failure(d, what, error, 0);
	bus_convert_error(error, 0, what, &e);
	log_error("cellsd: %s", e.text);
	if (desired_state_is_current(d->sent))
		device_events_handle_apply_error(d->p, &e);
	d->retry_ns = clock_mono_ns() + RETRY_NS;
	finish_push(d);
	return 0;
}

static int on_apply_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct reconcile *d = arg;
	struct err e;

	if (sd_bus_message_is_method_error(m, NULL))
		return handle_push_failure(d, "apply", m);
	if (device_events_handle_applied(d->p, d->sent, m, d->sent_ns,
					 d->sent_cause, &e) < 0) {
		log_error("write receipts: %s", e.text);
		return handle_call_failure(d, "apply", NULL, -EIO);
	}
	d->is_current = true;
	finish_push(d);
	return 0;
}

static int send_apply_call(struct reconcile *d)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r = cellsd_client_new_message(d->p->cellsd, "Apply", &m);

	if (r >= 0)
		r = desired_state_write_message(d->sent, m, d->sent_cause);
	d->sent_ns = clock_mono_ns();
	if (r >= 0)
		r = send_call(d, m, on_apply_answer);
	return r;
}

static int on_layer_answer(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	struct reconcile *d = arg;

	if (sd_bus_message_is_method_error(m, NULL))
		return handle_push_failure(d, "give layer", m);
	continue_push(d);
	return 0;
}

/* 1: one was sent, and on_layer_answer() goes on; 0: cellsd has all of them. */
static int send_next_layer(struct reconcile *d)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	auto_close int fd = -1;
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;
	int r;

	do
		l = document_set_next_layer(&d->p->state.in_force, &w);
	while (l && cellsd_client_has_layer(d->p->cellsd, l->digest));
	if (!l)
		return 0;
	fd = layer_store_open_layer(d->p->layers, l->digest);
	if (fd < 0)
		return fd;
	r = cellsd_client_new_message(d->p->cellsd, "Layer", &m);
	if (r >= 0)
		r = sd_bus_message_append(m, "sh", l->digest, fd);
	if (r >= 0)
		r = send_call(d, m, on_layer_answer);
	if (r >= 0)
		cellsd_client_add_layer(d->p->cellsd, l->digest);
	return r < 0 ? r : 1;
}

/* Another set went in force while layers were on their way: decide again. */
static void restart_push(struct reconcile *d)
{
	d->is_busy = false;
	push_state(d);
}

static void continue_push(struct reconcile *d)
{
	int r;

	if (!desired_state_is_current(d->sent)) {
		restart_push(d);
		return;
	}
	r = send_next_layer(d);

	if (r == 0)
		r = send_apply_call(d);
	if (r < 0)
		handle_call_failure(d, "apply", NULL, r);
}

static void schedule_reevaluation(struct reconcile *d, const struct err *why)
{
	log_error("evaluate: %s", why->text);
	d->retry_ns = clock_mono_ns() + RETRY_NS;
}

/* For d->cause. */
static void push_state(struct reconcile *d)
{
	struct policyd *p = d->p;
	struct evaluate_facts facts;
	int64_t resetting;
	struct err e;

	if (!cellsd_client_is_present(p->cellsd))
		return;
	if (d->is_busy) {
		d->again = true;
		return;
	}
	d->again = false;
	d->retry_ns = 0;
	if (store_get_int(p->store, STORE_RESETTING, 0, &resetting, &e) < 0) {
		schedule_reevaluation(d, &e);
		return;
	}
	if (p->state.in_force.n == 0 || resetting) {
		/* Nothing is decided, or all is given up: no VP is made.
		 * Commands may come all the same. */
		cellsd_client_set_ready(p->cellsd);
		command_run_pending(p->commands);
		return;
	}
	/* One may be left whose way to cellsd broke off. */
	desired_state_free(steal(d->sent));
	policyd_get_evaluate_facts(p, &facts);
	if (desired_state_new(&facts, &d->sent, &e) < 0) {
		schedule_reevaluation(d, &e);
		return;
	}
	if (d->is_current && !desired_state_has_changed(d->sent)) {
		finish_push(d);
		return;
	}
	d->is_busy = true;
	snprintf(d->sent_cause, sizeof(d->sent_cause), "%s", d->cause);
	continue_push(d);
}

void reconcile_push_state(struct policyd *p, const char *cause)
{
	snprintf(p->reconcile->cause, CAUSE_SIZE, "%s", cause);
	push_state(p->reconcile);
}

void reconcile_retry(struct policyd *p)
{
	struct reconcile *d = p->reconcile;

	if (p->missed_signal && d->retry_ns == 0)
		d->retry_ns = clock_mono_ns() + RETRY_NS;
	if (!cellsd_client_is_present(p->cellsd) || d->is_busy ||
	    d->retry_ns == 0 || clock_mono_ns() < d->retry_ns)
		return;
	/* What was half done is asked for again. */
	desired_state_free(d->sent);
	d->sent = NULL;
	start_device_sync(d);
}

/* ---- coming and going */
static void handle_device_appeared(struct reconcile *d, const char *owner)
{
	log_info("cellsd is there");
	cellsd_client_set_present(d->p->cellsd, owner);
	d->is_current = d->again = false;
	desired_state_free(d->sent);
	d->sent = NULL;
	start_device_sync(d);
}

static int on_owner_changed(sd_bus_message *m, void *arg, sd_bus_error *unused)
{
	const char *name, *old, *new;
	struct reconcile *d = arg;

	if (sd_bus_message_read(m, "sss", &name, &old, &new) < 0)
		return 0;
	cellsd_client_set_absent(d->p->cellsd);
	/* That the old cellsd will not answer may be reported after the next
	 * one is being asked. */
	d->call = sd_bus_slot_unref(d->call);
	d->is_busy = false;
	command_handle_device_gone(d->p->commands);
	if (*new)
		handle_device_appeared(d, new);
	else
		log_warning("cellsd has gone");
	return 0;
}

static int on_get_owner_answer(sd_bus_message *m, void *arg,
			       sd_bus_error *unused)
{
	struct reconcile *d = arg;
	const char *owner;

	if (!cellsd_client_is_present(d->p->cellsd) &&
	    !sd_bus_message_is_method_error(m, NULL) &&
	    sd_bus_message_read(m, "s", &owner) >= 0)
		handle_device_appeared(d, owner);
	return 0;
}

int reconcile_new(struct policyd *p, struct reconcile **ret, struct err *e)
{
	AUTO(reconcile_freep) struct reconcile *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "watch cellsd");
	d->p = p;
	r = sd_bus_add_match(p->bus, NULL,
			     "type='signal',sender='org.freedesktop.DBus',"
			     "interface='org.freedesktop.DBus',"
			     "member='NameOwnerChanged',"
			     "arg0='" BUS_DEVICE_NAME "'",
			     on_owner_changed, d);
	if (r >= 0)
		r = sd_bus_call_method_async(
			p->bus, NULL, "org.freedesktop.DBus",
			"/org/freedesktop/DBus", "org.freedesktop.DBus",
			"GetNameOwner", on_get_owner_answer, d, "s",
			BUS_DEVICE_NAME);
	if (r < 0)
		return err_sys(e, -r, "watch cellsd");
	*ret = steal(d);
	return 0;
}

void reconcile_free(struct reconcile *d)
{
	if (!d)
		return;
	sd_bus_slot_unref(d->call);
	desired_state_free(d->sent);
	free(d);
}
