/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/activate.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "policyd/image.h"
#include "policyd/layer_store.h"
#include "policyd/policyd.h"
#include "policyd/reconcile.h"
#include "policyd/schedule.h"
#include "policyd/submit.h"
#include "policyd/verdict.h"
#include "policyd/verify.h"

#include <string.h>

void activate_fini(struct activate *a)
{
	held_fini(&a->docs);
	free(a->snapshot);
	a->snapshot = NULL;
}

/* What can be told of a set that may not be whole yet. */
static int check_plan(const struct snapshot *s, const struct held *docs,
		      struct err *e)
{
	const struct doc_group *g = held_group(docs);
	int r = g ? snapshot_check_named(s, g, e) : 0;

	return r < 0 ? r : snapshot_check_images(s, docs, e);
}

/* ---- documents that are here already: from their bytes, each time */
/* All tests of a document that came before. 0: it stands, and was added. */
static int verify_kept(struct policyd *p, const struct snapshot *s,
		       const struct snapshot_entry *n, enum store_staged state,
		       struct held *docs, struct err *e)
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
	intake_facts(p, &facts);
	facts.staged = s;
	if (state == STORE_UNLOCKED)
		facts.window = n->id;
	r = verify_envelope(&facts, env, &v, e);
	return r < 0 ? r : held_take(docs, steal(v.doc), e);
}

/* Is it the document's fault, so that it may come again? */
static bool is_gone(int r, const struct err *e)
{
	return r == -ENOENT ||
	       (verdict_is_refusal(e) && e->reason != REASON_MIX_AND_MATCH);
}

/*
 * The snapshot's documents that are in force or were accepted before. What does
 * not stand under the root in force is awaited: it may have been signed again.
 */
static int collect(struct policyd *p, const struct snapshot *s,
		   enum store_staged state[HELD_MAX], struct held *docs,
		   struct err *e)
{
	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		int r = store_get_staged(p->store, n->digest, &state[i], e);

		if (r < 0)
			return r;
		if (state[i] == STORE_AWAITED &&
		    held_by_digest(&p->force, n->digest))
			state[i] = STORE_ACCEPTED;
		if (state[i] == STORE_AWAITED)
			continue;
		r = verify_kept(p, s, n, state[i], docs, e);
		if (r < 0 && !is_gone(r, e))
			return r;
		if (r < 0)
			state[i] = STORE_AWAITED;
	}
	return 0;
}

/* Everything once more, at the moment that counts. */
static int verify_all(struct policyd *p, const struct snapshot *s,
		      struct held *docs, struct err *e)
{
	AUTO(held_fini) struct held all = { 0 };

	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		enum store_staged state;
		int r = store_get_staged(p->store, n->digest, &state, e);

		if (r == 0)
			r = verify_kept(p, s, n, state, &all, e);
		if (r < 0)
			return r;
	}
	held_fini(docs);
	*docs = all;
	all = (struct held){ 0 };
	return 0;
}

static int check_set(struct policyd *p, const struct held *docs, struct err *e)
{
	auto_free char *group = NULL;
	int64_t min = 1;
	int r = store_text(p->store, STORE_GROUP, &group, e);

	if (r == 0)
		r = store_get_int(p->store, STORE_GROUP_MIN, 1, &min, e);
	return r < 0 ? r : held_check(docs, group, (uint32_t)min, e);
}

/* The rows of the new set; the old set's go in the same transaction. */
static int put_in_force(struct policyd *p, const struct held *docs,
			struct err *e)
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
		r = store_text(p->store, STORE_STAGED, &staged, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_SNAPSHOT, staged, e);
	if (r == 0)
		r = activate_drop(p, e);
	if (r == 0)
		r = store_set_int(p->store, STORE_APPLYING, 1, e);
	return r;
}

/* Are all layers of these documents' images here? */
static bool is_whole(const struct policyd *p, const struct held *docs)
{
	const struct doc_image *image;

	return !shelf_missing(p->shelf, docs, &image);
}

static int finish(struct policyd *p, const struct snapshot *s,
		  struct activate *a, struct err *e)
{
	int r = check_plan(s, &a->docs, e);

	if (r < 0)
		return r;
	a->complete = a->docs.n == s->n && is_whole(p, &a->docs);
	if (!a->complete)
		return 0;
	r = verify_all(p, s, &a->docs, e);
	if (r == 0)
		r = check_set(p, &a->docs, e);
	return r < 0 ? r : put_in_force(p, &a->docs, e);
}

bool activate_may_complete(const struct policyd *p, const struct snapshot *s)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (!held_by_digest(&p->force, s->entry[i].digest) &&
		    !held_by_digest(&p->staged_docs, s->entry[i].digest))
			return false;
	return true;
}

bool activate_lacks_one(const struct policyd *p)
{
	return p->staged && p->staged_docs.n + 1 == p->staged->n;
}

int activate_stage(struct policyd *p, struct snapshot *s, const char *text,
		   struct activate *ret, struct err *e)
{
	enum store_staged state[HELD_MAX];
	int r;

	ret->snapshot = s;
	r = collect(p, s, state, &ret->docs, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_STAGED, text, e);
	if (r == 0)
		r = store_clear_staged(p->store, e);
	for (unsigned int i = 0; r == 0 && i < s->n; i++)
		r = store_put_staged(p->store, s->entry[i].digest, state[i], e);
	if (r == 0)
		r = finish(p, s, ret, e);
	if (r == 0)
		r = store_sweep_documents(p->store, e);
	return r;
}

int activate_add(struct policyd *p, struct doc *d, enum store_staged state,
		 struct activate *ret, struct err *e)
{
	int r = d ? store_put_staged(p->store, d->head.digest, state, e) : 0;

	if (r == 0 && d)
		r = held_take(&ret->docs, d, e);
	else
		doc_free(d);
	for (unsigned int i = 0; r == 0 && i < p->staged_docs.n; i++)
		r = held_share(&ret->docs, p->staged_docs.doc[i], e);
	if (r == 0)
		r = finish(p, p->staged, ret, e);
	if (r == 0 && ret->complete)
		r = store_sweep_documents(p->store, e);
	return r;
}

void activate_adopt(struct policyd *p, struct activate *a)
{
	if (a->snapshot) {
		free(p->staged);
		p->staged = steal(a->snapshot);
		p->staged_blocked = false;
	}
	held_fini(&p->staged_docs);
	p->staged_docs = a->docs;
	a->docs = (struct held){ 0 };
	if (!a->complete) {
		image_continue(p);
		policyd_pending(p, "wants");
		return;
	}
	p->activated_ns = p->arrived_ns;
	held_fini(&p->force);
	p->force = p->staged_docs;
	p->staged_docs = (struct held){ 0 };
	free(p->snapshot);
	p->snapshot = steal(p->staged);
	image_continue(p);
	schedule_arm(p);
	delivery_push(p, "policy");
}

int activate_drop(struct policyd *p, struct err *e)
{
	int r = store_forget(p->store, STORE_STAGED, e);

	return r < 0 ? r : store_clear_staged(p->store, e);
}

void activate_dropped(struct policyd *p)
{
	free(p->staged);
	p->staged = NULL;
	held_fini(&p->staged_docs);
	image_continue(p);
}

int activate_refuse(struct policyd *p, const struct err *why, struct err *e)
{
	struct receipt_doc d = {
		"snapshot", p->staged->device, p->staged->version, { 0 }
	};
	AUTO(store_endp) struct store *tx = NULL;
	int64_t seq;
	int r = store_begin(p->store, true, &tx, e);

	memcpy(d.digest, p->staged->digest, HASH_SIZE);
	if (r == 0)
		r = verdict_write_refusal(
			p,
			&(struct verdict_refusal){ VERDICT_ACCEPTED, &d, NULL,
						   why },
			&seq, e);
	if (r == 0)
		r = activate_drop(p, e);
	if (r == 0)
		r = store_sweep_documents(p->store, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r < 0)
		return r;
	log_info("refused snapshot %u: %s", d.version, why->text);
	activate_dropped(p);
	policyd_pending(p, "receipts");
	return 0;
}

int activate_load(struct policyd *p, const char *text, struct err *e)
{
	enum store_staged state[HELD_MAX];
	int r = snapshot_parse(text, strlen(text), &p->staged, e);

	return r < 0 ? r : collect(p, p->staged, state, &p->staged_docs, e);
}

void activate_root_changed(struct policyd *p)
{
	enum store_staged state[HELD_MAX];
	AUTO(held_fini) struct held docs = { 0 };
	struct err e;

	if (!p->staged)
		return;
	/* Whatever this misses is found when the set would go in force. */
	if (collect(p, p->staged, state, &docs, &e) < 0) {
		log_error("look at what waits: %s", e.text);
		return;
	}
	held_fini(&p->staged_docs);
	p->staged_docs = docs;
	docs = (struct held){ 0 };
	p->staged_blocked = false;
	image_continue(p);
	policyd_pending(p, "wants");
}

int activate_again(struct policyd *p, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	AUTO(activate_fini) struct activate a = { 0 };
	auto_free struct snapshot *s = NULL;
	auto_free char *text = NULL;
	int r;

	/* One that is awaited brings its layers by itself. */
	if (p->staged || !p->snapshot)
		return 0;
	r = store_text(p->store, STORE_SNAPSHOT, &text, e);
	if (r == 0)
		r = snapshot_parse(text, strlen(text), &s, e);
	if (r == 0)
		r = store_begin_bulk(p->store, true, &tx, e);
	if (r == 0)
		r = activate_stage(p, steal(s), text, &a, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0)
		activate_adopt(p, &a);
	return r;
}

int activate_retry(struct policyd *p, struct err *e)
{
	AUTO(store_endp) struct store *tx = NULL;
	AUTO(activate_fini) struct activate a = { 0 };
	int r;

	if (!p->staged || p->staged_blocked ||
	    p->staged_docs.n != p->staged->n || !is_whole(p, &p->staged_docs))
		return 0;
	p->arrived_ns = clock_mono_ns();
	r = store_begin_bulk(p->store, true, &tx, e);
	if (r == 0)
		r = activate_add(p, NULL, STORE_AWAITED, &a, e);
	if (r < 0 && verdict_is_refusal(e)) {
		const struct err why = *e;

		store_endp(&tx);
		tx = NULL;
		return activate_refuse(p, &why, e);
	}
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0 && a.complete)
		activate_adopt(p, &a);
	return r;
}
