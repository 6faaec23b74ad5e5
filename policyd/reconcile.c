/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/reconcile.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/bus/device_client.h"
#include "policyd/cellsd_state.h"
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
	bool needs_sync;   /* what cellsd has is asked for before all else */
	bool is_current;   /* what is in force was applied since it came */
	uint64_t retry_ns; /* mono; 0: nothing to try again */
	char cause[CAUSE_SIZE], sent_cause[CAUSE_SIZE];
	uint64_t sent_ns; /* mono, of Apply */
	struct desired_state *sent;
	char layer[ENCODING_DIGEST_SIZE]; /* on its way to cellsd */
};

static void start_device_sync(struct reconcile *d);
static void continue_push(struct reconcile *d);
static void push_state(struct reconcile *d);

/* Something did not work: the next tick starts over. */
static void handle_call_failure(struct reconcile *d, const struct err *why)
{
	d->is_busy = false;
	if (cellsd_state_is_present(d->p->cellsd)) {
		log_warning("cellsd: %s", why->text);
		d->needs_sync = true;
		d->retry_ns = clock_mono_ns() + RETRY_NS;
	}
}

/* r is of the sending of a call. */
static void handle_send_result(struct reconcile *d, const char *what, int r)
{
	struct err e;

	if (r >= 0)
		return;
	err_sys(&e, -r, "%s", what);
	handle_call_failure(d, &e);
}

/* One call at a time, and its answer is the only one that is heard. */
static struct device_call describe_call(struct reconcile *d, const char *what,
					device_client_answer_fn *done)
{
	return (struct device_call){
		.what = what, .done = done, .arg = d, .of_this_cellsd = true
	};
}

/* ---- what is there: Inventory, Layers, List */
static void on_list_answer(void *arg, const struct device_answer *a)
{
	struct reconcile *d = arg;
	struct err e = a->why;
	int r = -EIO;

	d->is_busy = false;
	if (a->result == DEVICE_REFUSED || a->result == DEVICE_FAILED) {
		handle_call_failure(d, &a->why);
		return;
	}
	d->needs_sync = false;
	d->p->missed_signal = false;
	if (a->result == DEVICE_DONE)
		r = device_events_handle_list(d->p, a->vps, a->n_vps, &e);
	if (r < 0) {
		log_error("list VPs: %s", e.text);
		d->p->missed_signal = true;
	}
	reconcile_push_state(d->p, "start");
}

static void on_layers_answer(void *arg, const struct device_answer *a)
{
	struct reconcile *d = arg;
	const struct device_call call =
		describe_call(d, "list VPs", on_list_answer);

	if (a->result != DEVICE_DONE) {
		handle_call_failure(d, &a->why);
		return;
	}
	cellsd_state_set_layers(d->p->cellsd, a->digests);
	handle_send_result(d, call.what,
			   device_client_list_vps(d->p->device, &call));
}

static void on_inventory_answer(void *arg, const struct device_answer *a)
{
	struct reconcile *d = arg;
	const struct device_call call =
		describe_call(d, "ask for layers", on_layers_answer);
	struct err e = a->why;

	if (a->result != DEVICE_DONE ||
	    cellsd_state_set_inventory(d->p->cellsd, &a->inventory, &e) < 0) {
		handle_call_failure(d, &e);
		return;
	}
	handle_send_result(d, call.what,
			   device_client_list_layers(d->p->device, &call));
}

static void start_device_sync(struct reconcile *d)
{
	const struct device_call call =
		describe_call(d, "ask for the inventory", on_inventory_answer);

	d->is_busy = d->needs_sync = true;
	d->retry_ns = 0;
	handle_send_result(d, call.what,
			   device_client_get_inventory(d->p->device, &call));
}

/* ---- pushing: layers one by one, then Apply */
static void remove_unused_layers(struct policyd *p)
{
	const struct layer_cleanup c = { p->cellsd, p->device, p->layers,
					 &p->state };

	layer_cleanup_start(&c, p->store);
}

static void finish_push(struct reconcile *d)
{
	desired_state_free(d->sent);
	d->sent = NULL;
	d->is_busy = false;
	cellsd_state_set_ready(d->p->cellsd);
	command_run_pending(d->p->commands);
	remove_unused_layers(d->p);
	if (d->again)
		push_state(d);
}

/* cellsd's own no has a receipt; commands go on, and so do attempts. */
static void handle_push_failure(struct reconcile *d,
				const struct device_answer *a)
{
	if (a->result != DEVICE_REFUSED) {
		handle_call_failure(d, &a->why);
		return;
	}
	log_error("cellsd: %s", a->why.text);
	if (!desired_state_is_outdated(d->sent))
		device_events_handle_apply_error(d->p, &a->why);
	d->retry_ns = clock_mono_ns() + RETRY_NS;
	finish_push(d);
}

static void on_apply_answer(void *arg, const struct device_answer *a)
{
	struct reconcile *d = arg;
	const struct device_events_applied applied = {
		.state = d->sent,
		.sent_ns = d->sent_ns,
		.revocation = { a->revoked, a->n_revoked, a->ns,
				d->sent_cause },
	};
	struct err e;

	if (a->result != DEVICE_DONE) {
		handle_push_failure(d, a);
		return;
	}
	if (device_events_handle_applied(d->p, &applied, &e) < 0) {
		log_error("write receipts: %s", e.text);
		err_sys(&e, EIO, "apply");
		handle_call_failure(d, &e);
		return;
	}
	d->is_current = true;
	finish_push(d);
}

static int send_apply_call(struct reconcile *d, struct err *e)
{
	const struct device_call call =
		describe_call(d, "apply", on_apply_answer);
	struct device_state state;
	int r = desired_state_get_state(d->sent, d->sent_cause, &state, e);

	if (r < 0)
		return r;
	d->sent_ns = clock_mono_ns();
	r = device_client_apply(d->p->device, &state, &call);
	return r < 0 ? err_sys(e, -r, "apply") : 0;
}

static void on_layer_answer(void *arg, const struct device_answer *a)
{
	struct reconcile *d = arg;

	if (a->result != DEVICE_DONE) {
		handle_push_failure(d, a);
		return;
	}
	cellsd_state_add_layer(d->p->cellsd, d->layer);
	continue_push(d);
}

/* 1: one was sent, and on_layer_answer() goes on; 0: cellsd has all of them. */
static int send_next_layer(struct reconcile *d, struct err *e)
{
	const struct device_call call =
		describe_call(d, "give layer", on_layer_answer);
	auto_close int fd = -1;
	struct document_set_walk w = { 0 };
	const struct doc_layer *l;
	int r;

	do
		l = document_set_next_layer(&d->p->state.in_force, &w);
	while (l && cellsd_state_has_layer(d->p->cellsd, l->digest));
	if (!l)
		return 0;
	fd = layer_store_open_layer(d->p->layers, l->digest);
	r = fd < 0 ? fd
		   : device_client_give_layer(d->p->device, l->digest, fd,
					      &call);
	if (r < 0)
		return err_sys(e, -r, "apply");
	snprintf(d->layer, sizeof(d->layer), "%s", l->digest);
	return 1;
}

/* Another set went in force while layers were on their way: decide again. */
static void restart_push(struct reconcile *d)
{
	d->is_busy = false;
	push_state(d);
}

static void continue_push(struct reconcile *d)
{
	struct err e;
	int r;

	if (desired_state_is_outdated(d->sent)) {
		restart_push(d);
		return;
	}
	r = send_next_layer(d, &e);
	if (r == 0)
		r = send_apply_call(d, &e);
	if (r < 0)
		handle_call_failure(d, &e);
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

	if (!cellsd_state_is_present(p->cellsd))
		return;
	if (d->is_busy) {
		d->again = true;
		return;
	}
	if (d->needs_sync)
		return; /* reconcile_retry() begins it, and a push ends it */
	d->again = false;
	if (!p->missed_signal)
		d->retry_ns = 0;
	if (store_get_int(p->store, STORE_RESETTING, 0, &resetting, &e) < 0) {
		schedule_reevaluation(d, &e);
		return;
	}
	if (p->state.in_force.n == 0 || resetting) {
		/* Nothing is decided, or all is given up: no VP is made.
		 * Commands may come all the same. */
		cellsd_state_set_ready(p->cellsd);
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
	if (!cellsd_state_is_present(p->cellsd) || d->is_busy ||
	    d->retry_ns == 0 || clock_mono_ns() < d->retry_ns)
		return;
	/* What was half done is asked for again. */
	desired_state_free(d->sent);
	d->sent = NULL;
	start_device_sync(d);
}

/* ---- coming and going */
static void on_owner_changed(void *arg, bool is_there)
{
	struct reconcile *d = arg;

	cellsd_state_set_absent(d->p->cellsd);
	d->is_busy = false;
	command_handle_device_gone(d->p->commands);
	if (!is_there) {
		log_warning("cellsd has gone");
		return;
	}
	log_info("cellsd is there");
	cellsd_state_set_present(d->p->cellsd);
	d->is_current = d->again = false;
	desired_state_free(d->sent);
	d->sent = NULL;
	start_device_sync(d);
}

int reconcile_new(struct policyd *p, struct reconcile **ret, struct err *e)
{
	AUTO(reconcile_freep) struct reconcile *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "watch cellsd");
	d->p = p;
	r = device_client_watch(p->device, on_owner_changed, d, e);
	if (r < 0)
		return r;
	*ret = steal(d);
	return 0;
}

void reconcile_free(struct reconcile *d)
{
	if (!d)
		return;
	desired_state_free(d->sent);
	free(d);
}
