/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/staging.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/activate.h"
#include "policyd/layer/layer_download.h"
#include "policyd/policyd.h"
#include "policyd/receipt/refusal.h"
#include "policyd/reconcile.h"
#include "policyd/schedule.h"

#include <string.h>

void staging_gather_facts(const struct policyd *p, struct activate_facts *ret)
{
	activate_gather_facts(&p->recorder, &p->state, ret);
	ret->verify.window = config_window_get(&p->window);
	ret->layers = p->layers;
}

/* Downloads go on for what is staged now, and the agent is asked for it. */
static void request_missing_parts(struct policyd *p)
{
	layer_download_resume(p->download);
	pending_signal(&p->pending, "wants");
}

void staging_apply(struct policyd *p, struct activate *a)
{
	activate_update_state(&p->state, a);
	if (!a->complete) {
		request_missing_parts(p);
		return;
	}
	p->activated_ns = p->arrived_ns;
	layer_download_resume(p->download);
	schedule_arm_timer(p->schedule);
	reconcile_push_state(p, "policy");
}

void staging_drop(struct policyd *p)
{
	document_state_drop_staged(&p->state);
	layer_download_resume(p->download);
}

int staging_refuse(struct policyd *p, const struct err *why, struct err *e)
{
	const struct snapshot *s = p->state.staged;
	int r = activate_write_refusal(&p->recorder, s, why, e);

	if (r < 0)
		return r;
	log_info("refused snapshot %u: %s", s->version, why->text);
	staging_drop(p);
	pending_signal(&p->pending, "receipts");
	return 0;
}

void staging_unblock(struct policyd *p)
{
	p->state.staged_blocked = false;
	request_missing_parts(p);
}

void staging_handle_new_root(struct policyd *p)
{
	AUTO(document_set_fini) struct document_set docs = { 0 };
	struct activate_facts facts;
	struct err e;

	if (!p->state.staged)
		return;
	staging_gather_facts(p, &facts);
	/* Whatever this misses is found when the set would go in force. */
	if (activate_verify_staged(&facts, &docs, &e) < 0) {
		log_error("look at what waits: %s", e.text);
		return;
	}
	document_set_fini(&p->state.staged_docs);
	p->state.staged_docs = docs;
	docs = (struct document_set){ 0 };
	staging_unblock(p);
}

int staging_restage(struct policyd *p, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	AUTO(activate_fini) struct activate a = { 0 };
	auto_free struct snapshot *s = NULL;
	auto_free char *text = NULL;
	struct activate_facts facts;
	int r;

	/* One that is awaited brings its layers by itself. */
	if (p->state.staged || !p->state.snapshot)
		return 0;
	staging_gather_facts(p, &facts);
	r = store_lookup_text(p->store, STORE_SNAPSHOT, &text, e);
	if (r == 0)
		r = snapshot_parse(text, strlen(text), &s, e);
	if (r == 0)
		r = store_begin_bulk(p->store, true, &tx, e);
	if (r == 0)
		r = activate_stage(&facts, steal(s), text, &a, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		staging_apply(p, &a);
	return r;
}

int staging_retry(struct policyd *p, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	AUTO(activate_fini) struct activate a = { 0 };
	struct activate_facts facts;
	int r;

	staging_gather_facts(p, &facts);
	if (p->state.staged_blocked || !activate_is_ready(&facts))
		return 0;
	p->arrived_ns = clock_mono_ns();
	r = store_begin_bulk(p->store, true, &tx, e);
	if (r == 0)
		r = activate_add_document(&facts, NULL, STORE_AWAITED, &a, e);
	if (r < 0 && refusal_is_caused_by(e)) {
		const struct err why = *e;

		store_rollbackp(&tx);
		tx = NULL;
		return staging_refuse(p, &why, e);
	}
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0 && a.complete)
		staging_apply(p, &a);
	return r;
}
