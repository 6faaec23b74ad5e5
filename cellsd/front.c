/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/front.h"

#include "cellsd/host.h"
#include "cellsd/leaf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

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
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		struct host_cut *cut = &ret->cut[ret->n];

		if (!counts[c].handles && !counts[c].mappings)
			continue;
		snprintf(cut->vp, sizeof(cut->vp), "%s", v->name);
		cut->cls = (enum cells_class)c;
		cut->count = counts[c];
		ret->n++;
	}
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

void front_settle(struct host *h, const char *cause, struct host_revoked *ret,
		  uint64_t *ret_ns)
{
	struct roster *r = h->roster;
	struct vp *front = roster_front(r);
	uint32_t old[ROSTER_VPS_MAX] = { 0 };

	ret->n = 0;
	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (!v->run || v->run->leaf < 0)
			continue;
		old[i] = v->run->allowed;
		set(h, v, old[i] & vp_allowed(v, front), ret_ns);
	}
	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (v->run && old[i] & ~v->run->allowed & h->present)
			take_handles(h, v,
				     old[i] & ~v->run->allowed & h->present,
				     ret);
	}
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

int front_switch(struct host *h, struct vp *v, const char *cause,
		 uint64_t *ret_ns, struct err *e)
{
	struct vp *from = roster_front(h->roster);
	uint64_t begin = clock_mono_ns(), last = begin, ns;
	int r;

	*ret_ns = 0;
	if (from == v)
		return 0;
	if (v && v->run && v->run->cause)
		return err_reason(e, REASON_VP_STATE,
				  "bring VP %s to the front: it is stopping",
				  v->name);
	r = roster_set_front(h->roster, v, e);
	if (r < 0)
		return r;
	front_settle(h, cause, &h->switched, &last);
	ns = clock_mono_ns() - begin;
	h->watch.switched(h->watch.arg, from ? from->name : "",
			  v ? v->name : "", h->roster->front_generation, cause,
			  ns);
	if (from)
		h->watch.changed(h->watch.arg, from->name, from->state, cause);
	if (v)
		h->watch.changed(h->watch.arg, v->name, v->state, cause);
	if (h->switched.n > 0)
		h->watch.revoked(h->watch.arg, &h->switched, last - begin,
				 cause);
	*ret_ns = ns;
	roster_tidy(h->roster);
	return 0;
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
