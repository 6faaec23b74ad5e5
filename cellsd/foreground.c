/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/foreground.h"

#include "cellsd/cgroup.h"
#include "cellsd/context.h"
#include "cellsd/idle.h"
#include "cellsd/notifications.h"
#include "cellsd/resource.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set(struct host *h, struct vp *v, uint32_t classes,
		uint64_t *ret_ns)
{
	uint32_t took = v->run->allowed & ~classes;
	struct err e;

	if (v->run->allowed == classes)
		return;
	if (h->backend_type->allow(h->backend, v->run->leaf, v->number, classes,
				   &e) == 0) {
		v->run->allowed = classes;
		*ret_ns = clock_mono_ns();
		return;
	}
	log_error("%s", e.text);
	/* What cannot be taken from a VP may not run on with it. */
	if (took)
		leaf_kill(v->run->leaf);
}

/* A class has one row of a VP, also where part of its nodes are endpoints. */
static void add_cut(struct host_revoked *ret, const struct vp *v,
		    enum cells_class cls, const struct holder_count *count)
{
	struct host_cut *cut = ret->cut;

	if (!count->handles && !count->mappings)
		return;
	while (cut < ret->cut + ret->n &&
	       (cut->cls != cls || strcmp(cut->vp, v->name) != 0))
		cut++;
	if (cut == ret->cut + ret->n) {
		*cut = (struct host_cut){ .cls = cls };
		snprintf(cut->vp, sizeof(cut->vp), "%s", v->name);
		ret->n++;
	}
	cut->count.handles += count->handles;
	cut->count.mappings += count->mappings;
	cut->count.kept += count->kept;
}

static void take_handles(struct host *h, struct vp *v, uint32_t lost,
			 struct host_revoked *ret)
{
	struct holder_count counts[CELLS_CLASS_COUNT] = { 0 };
	struct holder_order order = {
		.leaf = v->run->leaf,
		.leaf_name = v->run->leaf_name,
		.nodes = h->nodes,
		.n_nodes = h->n_nodes,
		.lost = lost,
	};
	int r;

	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (lost >> c & 1 && v->right[c].kill)
			order.kill |= 1U << c;
	r = holder_revoke(&order, counts);
	if (r < 0)
		log_warning("look for open handles of VP %s: %s", v->name,
			    strerror(-r));
	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		add_cut(ret, v, (enum cells_class)c, &counts[c]);
}

/* ---- what the backend decides itself */

/* A VP that is being ended keeps what it has and gets nothing more. */
static struct cells_right right_of(const struct vp *v, int c)
{
	static const struct cells_right none;
	bool may_get = vpstate_runs(v->state) && !v->run->cause;

	return may_get || v->run->allowed >> c & 1 ? v->right[c].right : none;
}

struct deciding {
	struct host *h;
	struct host_revoked *ret;
};

static void on_cut(void *arg, const struct backend_cut *c)
{
	const struct deciding *d = arg;
	struct roster *r = d->h->roster;
	struct holder_count count = { c->handles, c->mappings, 0 };

	for (unsigned int i = 0; i < r->n; i++)
		if (r->vp[i]->number == c->vp)
			add_cut(d->ret, r->vp[i], c->cls, &count);
}

static int decide(struct host *h, struct host_revoked *ret, uint64_t *ret_ns,
		  struct err *e)
{
	struct roster *r = h->roster;
	struct vp *front = roster_front(r);
	struct backend_rights row[ROSTER_VPS_MAX] = { 0 };
	struct deciding d = { h, ret };
	struct backend_table t = { .front = front ? front->number : 0,
				   .row = row };

	if (!h->backend_type->decide)
		return 0;
	for (unsigned int i = 0; i < r->n; i++) {
		if (!r->vp[i]->run || r->vp[i]->run->leaf < 0)
			continue;
		row[t.n].vp = r->vp[i]->number;
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			row[t.n].right[c] = right_of(r->vp[i], c);
		t.n++;
	}
	return h->backend_type->decide(h->backend, &t, on_cut, &d, ret_ns, e);
}

int front_hold(struct host *h, const struct vp *v, struct err *e)
{
	const struct backend_vp bv = vp_backend(v);

	return h->backend_type->hold(h->backend, &bv, e);
}

int front_admit(struct host *h, struct vp *v, struct err *e)
{
	uint64_t ns;
	int r;

	v->run->allowed = vp_allowed(v, roster_front(h->roster));
	h->switched.n = 0;
	r = h->backend_type->allow(h->backend, v->run->leaf, v->number,
				   v->run->allowed, e);
	return r < 0 ? r : decide(h, &h->switched, &ns, e);
}

void front_release(struct host *h, const struct vp *v)
{
	if (h->backend && h->backend_type->release)
		h->backend_type->release(h->backend, v->number);
}

static void tell_modes(struct host *h, const struct vp *v, uint32_t changed,
		       const char *cause)
{
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		struct backend_event ev = { .boot_ns = clock_boot_ns(),
					    .count = 1 };

		if (changed >> c & 1)
			h->watch.event(h->watch.arg, "mode", v->name,
				       (enum cells_class)c, &ev, cause);
	}
}

static void take(struct host *h, uint32_t old[ROSTER_VPS_MAX], uint64_t *ret_ns)
{
	struct roster *r = h->roster;
	struct vp *front = roster_front(r);

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (!v->run || v->run->leaf < 0)
			continue;
		old[i] = v->run->allowed;
		set(h, v, old[i] & vp_allowed(v, front), ret_ns);
	}
}

/* Ends or counts what the backend does not take away itself. */
static void search(struct host *h, const uint32_t old[ROSTER_VPS_MAX],
		   bool decided, struct host_revoked *ret)
{
	struct roster *r = h->roster;

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];
		uint32_t lost = v->run ? old[i] & ~v->run->allowed : 0;

		/* What cannot be taken from a VP may not run on with it. */
		if (lost && !decided)
			leaf_kill(v->run->leaf);
		else if (lost & h->by_class)
			take_handles(h, v, lost & h->by_class, ret);
	}
}

static void give(struct host *h, const uint32_t old[ROSTER_VPS_MAX],
		 const char *cause, uint64_t *ret_ns)
{
	struct roster *r = h->roster;
	struct vp *front = roster_front(r);

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (!v->run || v->run->leaf < 0)
			continue;
		/* A VP that is being ended gets nothing more. */
		if (vpstate_runs(v->state) && !v->run->cause)
			set(h, v, vp_allowed(v, front), ret_ns);
		tell_modes(h, v, (old[i] ^ v->run->allowed) & h->present,
			   cause);
	}
}

static void search_and_give(struct host *h, const uint32_t old[ROSTER_VPS_MAX],
			    bool decided, const char *cause,
			    struct host_revoked *ret, uint64_t *ret_ns)
{
	search(h, old, decided, ret);
	give(h, old, cause, ret_ns);
	idle_arm(h->idle);
}

void front_settle(struct host *h, const char *cause, struct host_revoked *ret,
		  uint64_t *ret_ns)
{
	uint32_t old[ROSTER_VPS_MAX] = { 0 };
	struct err e;
	int r;

	ret->n = 0;
	take(h, old, ret_ns);
	r = decide(h, ret, ret_ns, &e);
	if (r < 0)
		log_error("%s", e.text);
	search_and_give(h, old, r == 0, cause, ret, ret_ns);
}

/*
 * Moves the front to where the roster has it, from `from`. -EBUSY: a program
 * has taken the display meanwhile; nothing is moved, in the roster neither.
 */
static int move_front(struct host *h, struct vp *from, const char *cause,
		      uint64_t *ret_ns, struct err *e)
{
	uint32_t old[ROSTER_VPS_MAX] = { 0 };
	struct err undo;
	int r;

	h->switched.n = 0;
	take(h, old, ret_ns);
	r = decide(h, &h->switched, ret_ns, e);
	if (r < 0)
		log_error("%s", e->text);
	if (r == -EBUSY) {
		if (roster_set_front(h->roster, from, &undo) < 0)
			log_error("%s", undo.text);
		give(h, old, cause, ret_ns);
		return r;
	}
	search_and_give(h, old, r == 0, cause, &h->switched, ret_ns);
	return 0;
}

static void tell_revoked(struct host *h, uint64_t ns, const char *cause)
{
	if (h->switched.n > 0)
		h->watch.revoked(h->watch.arg, &h->switched, ns, cause);
}

void front_search(struct host *h, const char *cause)
{
	uint64_t begin = clock_mono_ns();

	h->switched.n = 0;
	for (unsigned int i = 0; i < h->roster->n; i++) {
		struct vp *v = h->roster->vp[i];
		uint32_t lost = 0;

		if (!v->run || v->run->leaf < 0)
			continue;
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			if (v->right[c].kill && !(v->run->allowed >> c & 1))
				lost |= 1U << c;
		if (lost & h->by_class)
			take_handles(h, v, lost & h->by_class, &h->switched);
	}
	tell_revoked(h, clock_mono_ns() - begin, cause);
}

static int refuse_unseen(const struct vp *v, const struct err *why,
			 struct err *e)
{
	return err_reason(e, REASON_DISPLAY_HELD, "bring %s%s to the front: %s",
			  v ? "VP " : "the host", v ? v->name : "", why->text);
}

/* A VP that has a display is not in front unless it is seen there. */
static int check_shown(struct host *h, const struct vp *v, struct err *e)
{
	struct err why;
	int r;

	if (!v || !v->run || !h->backend_type->check_shown ||
	    v->right[CELLS_CLASS_DISPLAY].right.use == CELLS_USE_NONE)
		return 0;
	r = h->backend_type->check_shown(h->backend, &why);
	if (r < 0 && why.reason == REASON_DISPLAY_HELD)
		return refuse_unseen(v, &why, e);
	return r < 0 ? err_set(e, -r, "bring VP %s to the front: %s", v->name,
			       why.text)
		     : 0;
}

int front_switch(struct host *h, struct vp *v, const char *cause,
		 uint64_t *ret_ns, struct err *e)
{
	struct vp *from = roster_front(h->roster);
	uint64_t begin = clock_mono_ns(), last = begin, ns;
	struct err why;
	int r;

	*ret_ns = 0;
	if (strcmp(cause, "user") == 0)
		h->input_ns = clock_boot_ns();
	if (from == v) {
		/* What could not be given then may be now. */
		front_settle(h, cause, &h->switched, &last);
		tell_revoked(h, last - begin, cause);
		return check_shown(h, v, e);
	}
	if (v && v->run && v->run->cause)
		return err_reason(e, REASON_VP_STATE,
				  "bring VP %s to the front: it is stopping",
				  v->name);
	r = check_shown(h, v, e);
	if (r == 0)
		r = roster_set_front(h->roster, v, e);
	if (r < 0)
		return r;
	if (move_front(h, from, cause, &last, &why) < 0) {
		/* Who it is, if it is there still. */
		r = check_shown(h, v, e);
		return r < 0 ? r : refuse_unseen(v, &why, e);
	}
	idle_touch(h->idle);
	ns = clock_mono_ns() - begin;
	h->watch.switched(h->watch.arg, from ? from->name : "",
			  v ? v->name : "", h->roster->front_generation, cause,
			  ns);
	if (from) {
		h->watch.changed(h->watch.arg, from->name, from->state, cause);
		attention_tell(from, false);
	}
	if (v) {
		h->watch.changed(h->watch.arg, v->name, v->state, cause);
		attention_tell(v, true);
	}
	tell_revoked(h, last - begin, cause);
	*ret_ns = ns;
	/* Behind the switch: what is in the background can wait. */
	if (from)
		resource_settle(from, false);
	if (v)
		resource_settle(v, true);
	if (from)
		resource_demote(from, false);
	if (v)
		resource_demote(v, true);
	roster_tidy(h->roster);
	return 0;
}

void front_combo(struct host *h, uint32_t which)
{
	static const int steps[] = { 1, -1, 0 };
	struct vp *v = NULL;
	uint64_t ns;
	struct err e;

	if (which >= ARRAY_SIZE(steps))
		return;
	if (steps[which]) {
		v = front_neighbour(h, steps[which]);
		if (!v)
			return;
	}
	if (front_switch(h, v, "user", &ns, &e) < 0)
		log_error("%s", e.text);
}

struct vp *front_neighbour(struct host *h, int step)
{
	struct roster *r = h->roster;
	struct vp *front = roster_front(r);
	unsigned int at = step > 0 ? r->n - 1 : 0;

	for (unsigned int i = 0; i < r->n; i++)
		if (r->vp[i] == front)
			at = i;
	for (unsigned int i = 0; i < r->n; i++) {
		at = (at + r->n + (unsigned int)step) % r->n;
		if (vpstate_runs(r->vp[at]->state) && r->vp[at] != front)
			return r->vp[at];
	}
	return NULL;
}
