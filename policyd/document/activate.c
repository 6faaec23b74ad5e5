/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/activate.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/document/submit.h"
#include "policyd/document/verdict.h"
#include "policyd/document/verify.h"
#include "policyd/layer/image.h"
#include "policyd/layer/layer_store.h"
#include "policyd/policyd.h"
#include "policyd/reconcile.h"
#include "policyd/schedule.h"

#include <string.h>

void activate_fini(struct activate *a)
{
	document_set_fini(&a->docs);
	free(a->snapshot);
	a->snapshot = NULL;
}

/* What can be said of a set that may not be whole yet. */
static int check_partial_set(const struct snapshot *s,
			     const struct document_set *docs, struct err *e)
{
	const struct doc_group *g = document_set_find_group(docs);
	int r = g ? snapshot_check_group_refs(s, g, e) : 0;

	return r < 0 ? r : snapshot_check_images(s, docs, e);
}

/* ---- documents that are here already: from their bytes, each time */
/* All tests of a document that came before. 0: it holds, and was added. */
static int verify_stored_document(struct policyd *p, const struct snapshot *s,
				  const struct snapshot_entry *n,
				  enum store_staged state,
				  struct document_set *docs, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(verify_fini) struct verify v = { 0 };
	auto_free char *text = NULL;
	struct verify_facts facts;
	int r = store_get_document(p->store, n->digest, &text, e);

	if (r == 0)
		r = envelope_parse(text, strlen(text), &env, e);
	if (r == 0 && memcmp(env->digest, n->digest, HASH_SIZE) != 0)
		r = err_set(e, ENOENT, "%s '%s' is held with other bytes",
			    doc_type_name(n->type), n->id);
	if (r < 0)
		return r;
	submit_get_verify_facts(p, &facts);
	facts.staged = s;
	if (state == STORE_UNLOCKED)
		facts.window = n->id;
	r = verify_envelope(&facts, env, &v, e);
	return r < 0 ? r : document_set_add(docs, steal(v.doc), e);
}

/* Is it the document's fault, so that it may come again? */
static bool is_document_error(int r, const struct err *e)
{
	return r == -ENOENT ||
	       (verdict_is_refusal(e) && e->reason != REASON_MIX_AND_MATCH);
}

/*
 * The snapshot's documents that are in force or were accepted before. What does
 * not hold under the root in force is awaited: it may have been signed again.
 */
static int collect_stored_documents(struct policyd *p, const struct snapshot *s,
				    enum store_staged state[DOCUMENT_SET_MAX],
				    struct document_set *docs, struct err *e)
{
	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		int r = store_get_staged(p->store, n->digest, &state[i], e);

		if (r < 0)
			return r;
		if (state[i] == STORE_AWAITED &&
		    document_set_find_by_digest(&p->state.in_force, n->digest))
			state[i] = STORE_ACCEPTED;
		if (state[i] == STORE_AWAITED)
			continue;
		r = verify_stored_document(p, s, n, state[i], docs, e);
		if (r < 0 && !is_document_error(r, e))
			return r;
		if (r < 0)
			state[i] = STORE_AWAITED;
	}
	return 0;
}

/* Everything once more, at the moment that counts. */
static int verify_all_documents(struct policyd *p, const struct snapshot *s,
				struct document_set *docs, struct err *e)
{
	AUTO(document_set_fini) struct document_set all = { 0 };

	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		enum store_staged state;
		int r = store_get_staged(p->store, n->digest, &state, e);

		if (r == 0)
			r = verify_stored_document(p, s, n, state, &all, e);
		if (r < 0)
			return r;
	}
	document_set_fini(docs);
	*docs = all;
	all = (struct document_set){ 0 };
	return 0;
}

static int check_complete_set(struct policyd *p,
			      const struct document_set *docs, struct err *e)
{
	auto_free char *group = NULL;
	int64_t min = 1;
	int r = store_lookup_text(p->store, STORE_GROUP, &group, e);

	if (r == 0)
		r = store_get_int(p->store, STORE_GROUP_MIN, 1, &min, e);
	return r < 0 ? r
		     : document_set_check_complete(docs, group, (uint32_t)min,
						   e);
}

/* The rows of the new set; the old set's go in the same transaction. */
static int write_set_in_force(struct policyd *p,
			      const struct document_set *docs, struct err *e)
{
	auto_free char *staged = NULL;
	int r = store_clear_in_force(p->store, e);

	for (unsigned int i = 0; r == 0 && i < docs->n; i++) {
		const struct doc_head *h = &docs->doc[i]->doc->head;

		r = store_put_in_force(p->store, h, e);
		if (r == 0)
			r = store_raise_floor(p->store, h, e);
	}
	if (r == 0)
		r = store_lookup_text(p->store, STORE_STAGED, &staged, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_SNAPSHOT, staged, e);
	if (r == 0)
		r = activate_delete_staged_rows(p, e);
	if (r == 0)
		r = store_set_int(p->store, STORE_APPLYING, 1, e);
	return r;
}

/* Are all layers of these documents' images here? */
static bool has_all_layers(const struct policyd *p,
			   const struct document_set *docs)
{
	const struct doc_image *image;

	return !layer_store_find_missing_layer(p->layers, docs, &image);
}

static int complete_staged_set(struct policyd *p, const struct snapshot *s,
			       struct activate *a, struct err *e)
{
	int r = check_partial_set(s, &a->docs, e);

	if (r < 0)
		return r;
	a->complete = a->docs.n == s->n && has_all_layers(p, &a->docs);
	if (!a->complete)
		return 0;
	r = verify_all_documents(p, s, &a->docs, e);
	if (r == 0)
		r = check_complete_set(p, &a->docs, e);
	return r < 0 ? r : write_set_in_force(p, &a->docs, e);
}

bool activate_may_complete(const struct policyd *p, const struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!document_set_find_by_digest(&p->state.in_force,
						 s->entry[i].digest) &&
		    !document_set_find_by_digest(&p->state.staged_docs,
						 s->entry[i].digest))
			return false;
	return true;
}

bool activate_lacks_one(const struct policyd *p)
{
	return p->state.staged &&
	       p->state.staged_docs.n + 1 == p->state.staged->n;
}

int activate_stage(struct policyd *p, struct snapshot *s, const char *text,
		   struct activate *ret, struct err *e)
{
	enum store_staged state[DOCUMENT_SET_MAX];
	int r;

	ret->snapshot = s;
	r = collect_stored_documents(p, s, state, &ret->docs, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_STAGED, text, e);
	if (r == 0)
		r = store_clear_staged(p->store, e);
	for (unsigned int i = 0; r == 0 && i < s->n; i++)
		r = store_put_staged(p->store, s->entry[i].digest, state[i], e);
	if (r == 0)
		r = complete_staged_set(p, s, ret, e);
	if (r == 0)
		r = store_sweep_documents(p->store, e);
	return r;
}

int activate_add_document(struct policyd *p, struct doc *d,
			  enum store_staged state, struct activate *ret,
			  struct err *e)
{
	int r = d ? store_put_staged(p->store, d->head.digest, state, e) : 0;

	if (r == 0 && d)
		r = document_set_add(&ret->docs, d, e);
	else
		doc_free(d);
	for (unsigned int i = 0; r == 0 && i < p->state.staged_docs.n; i++)
		r = document_set_add_shared(&ret->docs,
					    p->state.staged_docs.doc[i], e);
	if (r == 0)
		r = complete_staged_set(p, p->state.staged, ret, e);
	if (r == 0 && ret->complete)
		r = store_sweep_documents(p->store, e);
	return r;
}

void activate_update_state(struct policyd *p, struct activate *a)
{
	if (a->snapshot) {
		free(p->state.staged);
		p->state.staged = steal(a->snapshot);
		p->state.staged_blocked = false;
	}
	document_set_fini(&p->state.staged_docs);
	p->state.staged_docs = a->docs;
	a->docs = (struct document_set){ 0 };
	if (!a->complete) {
		image_resume_download(p->image);
		pending_signal(&p->pending, "wants");
		return;
	}
	p->activated_ns = p->arrived_ns;
	document_set_fini(&p->state.in_force);
	p->state.in_force = p->state.staged_docs;
	p->state.staged_docs = (struct document_set){ 0 };
	free(p->state.snapshot);
	p->state.snapshot = steal(p->state.staged);
	image_resume_download(p->image);
	schedule_arm_timer(p->schedule);
	reconcile_push_state(p, "policy");
}

int activate_delete_staged_rows(struct policyd *p, struct err *e)
{
	int r = store_remove_value(p->store, STORE_STAGED, e);

	return r < 0 ? r : store_clear_staged(p->store, e);
}

void activate_forget_staged(struct policyd *p)
{
	free(p->state.staged);
	p->state.staged = NULL;
	document_set_fini(&p->state.staged_docs);
	image_resume_download(p->image);
}

int activate_refuse_staged(struct policyd *p, const struct err *why,
			   struct err *e)
{
	struct receipt_doc d = { "snapshot",
				 p->state.staged->device,
				 p->state.staged->version,
				 { 0 } };
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t seq;
	int r = store_begin(p->store, true, &tx, e);

	memcpy(d.digest, p->state.staged->digest, HASH_SIZE);
	if (r == 0)
		r = verdict_write_refusal(
			&p->recorder,
			&(struct verdict_refusal){ VERDICT_ACCEPTED, &d, NULL,
						   why },
			&seq, e);
	if (r == 0)
		r = activate_delete_staged_rows(p, e);
	if (r == 0)
		r = store_sweep_documents(p->store, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	log_info("refused snapshot %u: %s", d.version, why->text);
	activate_forget_staged(p);
	pending_signal(&p->pending, "receipts");
	return 0;
}

int activate_load_staged(struct policyd *p, const char *text, struct err *e)
{
	enum store_staged state[DOCUMENT_SET_MAX];
	int r = snapshot_parse(text, strlen(text), &p->state.staged, e);

	return r < 0 ? r
		     : collect_stored_documents(p, p->state.staged, state,
						&p->state.staged_docs, e);
}

void activate_handle_new_root(struct policyd *p)
{
	enum store_staged state[DOCUMENT_SET_MAX];
	AUTO(document_set_fini) struct document_set docs = { 0 };
	struct err e;

	if (!p->state.staged)
		return;
	/* Whatever this misses is found when the set would go in force. */
	if (collect_stored_documents(p, p->state.staged, state, &docs, &e) <
	    0) {
		log_error("look at what waits: %s", e.text);
		return;
	}
	document_set_fini(&p->state.staged_docs);
	p->state.staged_docs = docs;
	docs = (struct document_set){ 0 };
	p->state.staged_blocked = false;
	image_resume_download(p->image);
	pending_signal(&p->pending, "wants");
}

int activate_restage(struct policyd *p, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	AUTO(activate_fini) struct activate a = { 0 };
	auto_free struct snapshot *s = NULL;
	auto_free char *text = NULL;
	int r;

	/* One that is awaited brings its layers by itself. */
	if (p->state.staged || !p->state.snapshot)
		return 0;
	r = store_lookup_text(p->store, STORE_SNAPSHOT, &text, e);
	if (r == 0)
		r = snapshot_parse(text, strlen(text), &s, e);
	if (r == 0)
		r = store_begin_bulk(p->store, true, &tx, e);
	if (r == 0)
		r = activate_stage(p, steal(s), text, &a, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		activate_update_state(p, &a);
	return r;
}

int activate_retry(struct policyd *p, struct err *e)
{
	AUTO(store_rollbackp) struct store *tx = NULL;
	AUTO(activate_fini) struct activate a = { 0 };
	int r;

	if (!p->state.staged || p->state.staged_blocked ||
	    p->state.staged_docs.n != p->state.staged->n ||
	    !has_all_layers(p, &p->state.staged_docs))
		return 0;
	p->arrived_ns = clock_mono_ns();
	r = store_begin_bulk(p->store, true, &tx, e);
	if (r == 0)
		r = activate_add_document(p, NULL, STORE_AWAITED, &a, e);
	if (r < 0 && verdict_is_refusal(e)) {
		const struct err why = *e;

		store_rollbackp(&tx);
		tx = NULL;
		return activate_refuse_staged(p, &why, e);
	}
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0 && a.complete)
		activate_update_state(p, &a);
	return r;
}
