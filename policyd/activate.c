/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/activate.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "policyd/delivery.h"
#include "policyd/image.h"
#include "policyd/policyd.h"
#include "policyd/schedule.h"
#include "policyd/shelf.h"

#include <string.h>

void activate_fini(struct activate *a)
{
	held_fini(&a->docs);
	free(a->snapshot);
	a->snapshot = NULL;
}

/* What can be told of a set that may not be whole yet. */
static int check(const struct snapshot *s, const struct held *docs,
		 struct err *e)
{
	const struct doc_group *g = held_group(docs);
	int r = g ? snapshot_check_named(s, g, e) : 0;

	return r < 0 ? r : snapshot_check_images(s, docs, e);
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
	int r = check(s, &a->docs, e);

	if (r < 0)
		return r;
	a->complete = a->docs.n == s->n && is_whole(p, &a->docs);
	return a->complete ? put_in_force(p, &a->docs, e) : 0;
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

/*
 * Documents that are in force, or were accepted for the snapshot before, need
 * not come again. Nothing was activated between those two, so that the tests
 * they passed would come out the same.
 */
static int share(struct policyd *p, const struct snapshot *s, struct held *docs,
		 struct err *e)
{
	for (unsigned int i = 0; i < s->n; i++) {
		struct held_doc *d =
			held_by_digest(&p->force, s->entry[i].digest);
		int r;

		if (!d)
			d = held_by_digest(&p->staged_docs, s->entry[i].digest);
		if (!d || d->doc->head.type != s->entry[i].type ||
		    strcmp(d->doc->head.id, s->entry[i].id) != 0 ||
		    d->doc->head.version != s->entry[i].version)
			continue;
		r = held_share(docs, d, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int activate_stage(struct policyd *p, struct snapshot *s, const char *text,
		   struct activate *ret, struct err *e)
{
	int r;

	ret->snapshot = s;
	r = share(p, s, &ret->docs, e);
	if (r == 0)
		r = store_set_text(p->store, STORE_STAGED, text, e);
	if (r == 0)
		r = store_clear_staged(p->store, e);
	for (unsigned int i = 0; r == 0 && i < s->n; i++)
		r = store_put_staged(
			p->store, s->entry[i].digest,
			held_by_digest(&ret->docs, s->entry[i].digest), e);
	if (r == 0)
		r = finish(p, s, ret, e);
	if (r == 0)
		r = store_sweep_documents(p->store, e);
	return r;
}

int activate_add(struct policyd *p, struct doc *d, struct activate *ret,
		 struct err *e)
{
	int r = d ? store_put_staged(p->store, d->head.digest, true, e) : 0;

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
		r = store_begin(p->store, true, &tx, e);
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
	r = store_begin(p->store, true, &tx, e);
	if (r == 0)
		r = activate_add(p, NULL, &a, e);
	if (r == 0)
		r = store_commit(&tx, e);
	if (r == 0 && a.complete)
		activate_adopt(p, &a);
	return r;
}
