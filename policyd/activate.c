/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/activate.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "policyd/document/document_state.h"
#include "policyd/document/secure_time.h"
#include "policyd/layer/layer_store.h"
#include "policyd/receipt/recorder.h"
#include "policyd/receipt/refusal.h"

#include <string.h>

void activate_gather_facts(const struct recorder *rec,
			   const struct document_state *state,
			   struct activate_facts *ret)
{
	uint64_t boot_ns = clock_boot_ns();

	*ret = (struct activate_facts){
		.verify = {
			.root = document_state_get_root(state),
			.store = rec->store,
			.now = secure_time_get_presumed(rec->time, boot_ns),
			.confirmed =
				secure_time_get_confirmed(rec->time, boot_ns),
			.device = rec->identity->device,
			.epoch = rec->identity->epoch,
			.snapshot = state->snapshot,
			.staged = state->staged,
			.in_force = &state->in_force,
			.window = "",
		},
		.staged_docs = &state->staged_docs,
	};
}

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
static int verify_stored_document(const struct activate_facts *f,
				  const struct snapshot *s,
				  const struct snapshot_entry *n,
				  enum store_staged state,
				  struct document_set *docs, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(verify_fini) struct verify v = { 0 };
	auto_free char *text = NULL;
	struct verify_facts facts = f->verify;
	int r = store_get_document(f->verify.store, n->digest, &text, e);

	if (r == 0)
		r = envelope_parse(text, strlen(text), &env, e);
	if (r == 0 && memcmp(env->digest, n->digest, HASH_SIZE) != 0)
		r = err_set(e, ENOENT, "%s '%s' is held with other bytes",
			    doc_type_name(n->type), n->id);
	if (r < 0)
		return r;
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
	       (refusal_is_caused_by(e) && e->reason != REASON_MIX_AND_MATCH);
}

/*
 * The snapshot's documents that are in force or were accepted before. What does
 * not hold under the root in force is awaited: it may have been signed again.
 */
static int collect_stored_documents(const struct activate_facts *f,
				    const struct snapshot *s,
				    enum store_staged state[DOCUMENT_SET_MAX],
				    struct document_set *docs, struct err *e)
{
	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		int r = store_get_staged(f->verify.store, n->digest, &state[i],
					 e);

		if (r < 0)
			return r;
		if (state[i] == STORE_AWAITED &&
		    document_set_find_by_digest(f->verify.in_force, n->digest))
			state[i] = STORE_ACCEPTED;
		if (state[i] == STORE_AWAITED)
			continue;
		r = verify_stored_document(f, s, n, state[i], docs, e);
		if (r < 0 && !is_document_error(r, e))
			return r;
		if (r < 0)
			state[i] = STORE_AWAITED;
	}
	return 0;
}

/* Everything once more, at the moment that counts. */
static int verify_all_documents(const struct activate_facts *f,
				const struct snapshot *s,
				struct document_set *docs, struct err *e)
{
	AUTO(document_set_fini) struct document_set all = { 0 };

	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		enum store_staged state;
		int r = store_get_staged(f->verify.store, n->digest, &state, e);

		if (r == 0)
			r = verify_stored_document(f, s, n, state, &all, e);
		if (r < 0)
			return r;
	}
	document_set_fini(docs);
	*docs = all;
	all = (struct document_set){ 0 };
	return 0;
}

static int check_complete_set(const struct activate_facts *f,
			      const struct document_set *docs, struct err *e)
{
	auto_free char *group = NULL;
	int64_t min = 1;
	int r = store_lookup_text(f->verify.store, STORE_GROUP, &group, e);

	if (r == 0)
		r = store_get_int(f->verify.store, STORE_GROUP_MIN, 1, &min, e);
	return r < 0 ? r
		     : document_set_check_complete(docs, group, (uint32_t)min,
						   e);
}

/* The rows of the new set; the old set's go in the same transaction. */
static int write_set_in_force(const struct activate_facts *f,
			      const struct document_set *docs, struct err *e)
{
	auto_free char *staged = NULL;
	int r = store_clear_in_force(f->verify.store, e);

	for (unsigned int i = 0; r == 0 && i < docs->n; i++) {
		const struct doc_head *h = &docs->doc[i]->doc->head;

		r = store_put_in_force(f->verify.store, h, e);
		if (r == 0)
			r = store_raise_floor(f->verify.store, h, e);
	}
	if (r == 0)
		r = store_lookup_text(f->verify.store, STORE_STAGED, &staged,
				      e);
	if (r == 0)
		r = store_set_text(f->verify.store, STORE_SNAPSHOT, staged, e);
	if (r == 0)
		r = activate_delete_staged_rows(f->verify.store, e);
	if (r == 0)
		r = store_set_int(f->verify.store, STORE_APPLYING, 1, e);
	return r;
}

/* Are all layers of these documents' images here? */
static bool has_all_layers(const struct activate_facts *f,
			   const struct document_set *docs)
{
	const struct doc_image *image;

	return !layer_store_find_missing_layer(f->layers, docs, &image);
}

static int complete_staged_set(const struct activate_facts *f,
			       const struct snapshot *s, struct activate *a,
			       struct err *e)
{
	int r = check_partial_set(s, &a->docs, e);

	if (r < 0)
		return r;
	a->complete = a->docs.n == s->n && has_all_layers(f, &a->docs);
	if (!a->complete)
		return 0;
	r = verify_all_documents(f, s, &a->docs, e);
	if (r == 0)
		r = check_complete_set(f, &a->docs, e);
	return r < 0 ? r : write_set_in_force(f, &a->docs, e);
}

bool activate_may_complete(const struct activate_facts *f,
			   const struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!document_set_find_by_digest(f->verify.in_force,
						 s->entry[i].digest) &&
		    !document_set_find_by_digest(f->staged_docs,
						 s->entry[i].digest))
			return false;
	return true;
}

bool activate_lacks_one(const struct activate_facts *f)
{
	const struct snapshot *s = f->verify.staged;

	return s && f->staged_docs->n + 1 == s->n;
}

bool activate_is_ready(const struct activate_facts *f)
{
	const struct snapshot *s = f->verify.staged;

	return s && f->staged_docs->n == s->n &&
	       has_all_layers(f, f->staged_docs);
}

int activate_stage(const struct activate_facts *f, struct snapshot *s,
		   const char *text, struct activate *ret, struct err *e)
{
	enum store_staged state[DOCUMENT_SET_MAX];
	int r;

	ret->snapshot = s;
	r = collect_stored_documents(f, s, state, &ret->docs, e);
	if (r == 0)
		r = store_set_text(f->verify.store, STORE_STAGED, text, e);
	if (r == 0)
		r = store_clear_staged(f->verify.store, e);
	for (unsigned int i = 0; r == 0 && i < s->n; i++)
		r = store_put_staged(f->verify.store, s->entry[i].digest,
				     state[i], e);
	if (r == 0)
		r = complete_staged_set(f, s, ret, e);
	if (r == 0)
		r = store_sweep_documents(f->verify.store, e);
	return r;
}

int activate_add_document(const struct activate_facts *f, struct doc *d,
			  enum store_staged state, struct activate *ret,
			  struct err *e)
{
	int r = d ? store_put_staged(f->verify.store, d->head.digest, state, e)
		  : 0;

	if (r == 0 && d)
		r = document_set_add(&ret->docs, d, e);
	else
		doc_free(d);
	for (unsigned int i = 0; r == 0 && i < f->staged_docs->n; i++)
		r = document_set_add_shared(&ret->docs, f->staged_docs->doc[i],
					    e);
	if (r == 0)
		r = complete_staged_set(f, f->verify.staged, ret, e);
	if (r == 0 && ret->complete)
		r = store_sweep_documents(f->verify.store, e);
	return r;
}

void activate_update_state(struct document_state *state, struct activate *a)
{
	if (a->snapshot) {
		free(state->staged);
		state->staged = steal(a->snapshot);
		state->staged_blocked = false;
	}
	document_set_fini(&state->staged_docs);
	state->staged_docs = a->docs;
	a->docs = (struct document_set){ 0 };
	if (!a->complete)
		return;
	document_set_fini(&state->in_force);
	state->in_force = state->staged_docs;
	state->staged_docs = (struct document_set){ 0 };
	free(state->snapshot);
	state->snapshot = steal(state->staged);
}

int activate_delete_staged_rows(struct store *store, struct err *e)
{
	int r = store_remove_value(store, STORE_STAGED, e);

	return r < 0 ? r : store_clear_staged(store, e);
}

int activate_write_refusal(const struct recorder *rec,
			   const struct snapshot *staged, const struct err *why,
			   struct err *e)
{
	struct receipt_doc d = {
		"snapshot", staged->device, staged->version, { 0 }
	};
	AUTO(store_rollbackp) struct store *tx = NULL;
	int64_t seq;
	int r = store_begin(rec->store, true, &tx, e);

	memcpy(d.digest, staged->digest, HASH_SIZE);
	if (r == 0)
		r = refusal_write(
			rec,
			&(struct refusal){ REFUSAL_ACCEPTED, &d, NULL, why },
			&seq, e);
	if (r == 0)
		r = activate_delete_staged_rows(rec->store, e);
	if (r == 0)
		r = store_sweep_documents(rec->store, e);
	return r < 0 ? r : store_commit(&tx, e);
}

int activate_verify_staged(const struct activate_facts *f,
			   struct document_set *ret, struct err *e)
{
	enum store_staged state[DOCUMENT_SET_MAX];

	return collect_stored_documents(f, f->verify.staged, state, ret, e);
}
