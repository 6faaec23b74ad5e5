/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/foreground.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/lifecycle/device_state.h"
#include "cellsd/lifecycle/foreground_socket.h"
#include "cellsd/lifecycle/idle.h"
#include "cellsd/vp/resource.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set_allowed_classes(struct foreground *f, struct vp *v,
				uint32_t classes, uint64_t *ret_ns)
{
	uint32_t took = v->run->allowed & ~classes;
	struct err e;

	if (v->run->allowed == classes)
		return;
	if (f->device->type->allow(f->device->backend, v->run->cgroup,
				   v->number, classes, &e) == 0) {
		v->run->allowed = classes;
		*ret_ns = clock_mono_ns();
		return;
	}
	log_error("%s", e.text);
	/* What cannot be taken from a VP may not run on with it. */
	if (took)
		cgroup_kill(v->run->cgroup);
}

/* A class has one row of a VP, also where part of its nodes are endpoints. */
static void add_revoked_row(struct host_revoked *ret, const struct vp *v,
			    enum cells_class cls,
			    const struct open_handles_count *count)
{
	struct host_revocation *row = ret->row;

	if (!count->handles && !count->mappings)
		return;
	while (row < ret->row + ret->n &&
	       (row->cls != cls || strcmp(row->vp, v->name) != 0))
		row++;
	if (row == ret->row + ret->n) {
		*row = (struct host_revocation){ .cls = cls };
		snprintf(row->vp, sizeof(row->vp), "%s", v->name);
		ret->n++;
	}
	row->count.handles += count->handles;
	row->count.mappings += count->mappings;
	row->count.kept += count->kept;
}

/* Of these nodes. */
static void revoke_node_handles(const struct backend_node *nodes, size_t n,
				const struct vp *v, uint32_t lost,
				struct host_revoked *ret)
{
	struct open_handles_count counts[CELLS_CLASS_COUNT] = { 0 };
	struct open_handles_request order = {
		.cgroup = v->run->cgroup,
		.cgroup_name = v->run->cgroup_name,
		.nodes = nodes,
		.n_nodes = n,
		.lost = lost,
	};
	int r;

	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (lost >> c & 1 && v->right[c].kill)
			order.kill |= 1U << c;
	r = open_handles_revoke(&order, counts);
	if (r < 0)
		log_warning("look for open handles of VP %s: %s", v->name,
			    strerror(-r));
	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		add_revoked_row(ret, v, (enum cells_class)c, &counts[c]);
}

static void revoke_open_handles(struct foreground *f, struct vp *v,
				uint32_t lost, struct host_revoked *ret)
{
	revoke_node_handles(f->device->nodes, f->device->n_nodes, v, lost, ret);
}

/* ---- what the backend decides itself */

/* A VP that is being ended keeps what it has and gets nothing more. */
static struct cells_right get_effective_right(const struct vp *v, int c)
{
	static const struct cells_right none;
	bool may_get = vp_state_is_running(v->state) && !v->run->cause;

	return may_get || v->run->allowed >> c & 1 ? v->right[c].right : none;
}

struct policy_update {
	const struct vp_table *vps;
	struct host_revoked *ret;
};

static void on_backend_revocation(void *arg, const struct backend_revocation *c)
{
	const struct policy_update *d = arg;
	const struct vp_table *r = d->vps;
	struct open_handles_count count = { c->handles, c->mappings, 0 };

	for (unsigned int i = 0; i < r->n; i++)
		if (r->vp[i]->number == c->vp)
			add_revoked_row(d->ret, r->vp[i], c->cls, &count);
}

static int update_backend_policy(struct foreground *f, struct host_revoked *ret,
				 uint64_t *ret_ns, struct err *e)
{
	struct vp_table *r = f->vps;
	struct vp *foreground = vp_table_get_foreground(r);
	struct backend_rights row[VPS_MAX] = { 0 };
	struct policy_update d = { f->vps, ret };
	struct backend_table t = { .foreground =
					   foreground ? foreground->number : 0,
				   .row = row };

	if (!f->device->type->set_policy)
		return 0;
	for (unsigned int i = 0; i < r->n; i++) {
		if (!r->vp[i]->run || r->vp[i]->run->cgroup < 0)
			continue;
		row[t.n].vp = r->vp[i]->number;
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			row[t.n].right[c] = get_effective_right(r->vp[i], c);
		t.n++;
	}
	return f->device->type->set_policy(
		f->device->backend, &t, on_backend_revocation, &d, ret_ns, e);
}

int foreground_attach_vp(struct foreground *f, const struct vp *v,
			 struct err *e)
{
	const struct backend_vp bv = vp_get_backend_vp(v);

	return f->device->type->attach(f->device->backend, &bv, e);
}

int foreground_grant_access(struct foreground *f, struct vp *v, struct err *e)
{
	uint64_t ns;
	int r;

	v->run->allowed =
		vp_get_allowed_classes(v, vp_table_get_foreground(f->vps));
	f->switched.n = 0;
	r = f->device->type->allow(f->device->backend, v->run->cgroup,
				   v->number, v->run->allowed, e);
	return r < 0 ? r : update_backend_policy(f, &f->switched, &ns, e);
}

void foreground_detach_vp(struct foreground *f, const struct vp *v)
{
	if (f->device->backend && f->device->type->detach)
		f->device->type->detach(f->device->backend, v->number);
}

static void report_mode_changes(struct foreground *f, const struct vp *v,
				uint32_t changed, const char *cause)
{
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		struct backend_event ev = { .boot_ns = clock_boot_ns(),
					    .count = 1 };

		if (changed >> c & 1)
			f->callbacks->event(f->callbacks->arg, "mode", v->name,
					    (enum cells_class)c, &ev, cause);
	}
}

static void withdraw_lost_classes(struct foreground *f, uint32_t old[VPS_MAX],
				  uint64_t *ret_ns)
{
	struct vp_table *r = f->vps;
	struct vp *foreground = vp_table_get_foreground(r);

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (!v->run || v->run->cgroup < 0)
			continue;
		old[i] = v->run->allowed;
		set_allowed_classes(
			f, v, old[i] & vp_get_allowed_classes(v, foreground),
			ret_ns);
	}
}

/* Ends or counts what the backend does not take away itself. */
static void revoke_lost_handles(struct foreground *f,
				const uint32_t old[VPS_MAX], bool decided,
				struct host_revoked *ret)
{
	struct vp_table *r = f->vps;

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];
		uint32_t lost = v->run ? old[i] & ~v->run->allowed : 0;

		/* What cannot be taken from a VP may not run on with it. */
		if (lost && !decided)
			cgroup_kill(v->run->cgroup);
		else if (lost & f->device->by_class)
			revoke_open_handles(f, v, lost & f->device->by_class,
					    ret);
	}
}

static void grant_allowed_classes(struct foreground *f,
				  const uint32_t old[VPS_MAX],
				  const char *cause, uint64_t *ret_ns)
{
	struct vp_table *r = f->vps;
	struct vp *foreground = vp_table_get_foreground(r);

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		if (!v->run || v->run->cgroup < 0)
			continue;
		/* A VP that is being ended gets nothing more. */
		if (vp_state_is_running(v->state) && !v->run->cause)
			set_allowed_classes(
				f, v, vp_get_allowed_classes(v, foreground),
				ret_ns);
		report_mode_changes(
			f, v, (old[i] ^ v->run->allowed) & f->device->present,
			cause);
	}
}

static void revoke_and_grant(struct foreground *f, const uint32_t old[VPS_MAX],
			     bool decided, const char *cause,
			     struct host_revoked *ret, uint64_t *ret_ns)
{
	revoke_lost_handles(f, old, decided, ret);
	grant_allowed_classes(f, old, cause, ret_ns);
	idle_schedule_check(f->idle);
}

void foreground_apply_access(struct foreground *f, const char *cause,
			     struct host_revoked *ret, uint64_t *ret_ns)
{
	uint32_t old[VPS_MAX] = { 0 };
	struct err e;
	int r;

	ret->n = 0;
	withdraw_lost_classes(f, old, ret_ns);
	r = update_backend_policy(f, ret, ret_ns, &e);
	if (r < 0)
		log_error("%s", e.text);
	revoke_and_grant(f, old, r == 0, cause, ret, ret_ns);
}

/*
 * Moves the front to where the VP table has it, from `from`. -EBUSY: a program
 * has taken the display meanwhile; nothing is moved, in the VP table neither.
 */
static int move_foreground(struct foreground *f, struct vp *from,
			   const char *cause, uint64_t *ret_ns, struct err *e)
{
	uint32_t old[VPS_MAX] = { 0 };
	struct err undo;
	int r;

	f->switched.n = 0;
	withdraw_lost_classes(f, old, ret_ns);
	r = update_backend_policy(f, &f->switched, ret_ns, e);
	if (r < 0)
		log_error("%s", e->text);
	if (r == -EBUSY) {
		if (vp_table_set_foreground(f->vps, from, &undo) < 0)
			log_error("%s", undo.text);
		grant_allowed_classes(f, old, cause, ret_ns);
		return r;
	}
	revoke_and_grant(f, old, r == 0, cause, &f->switched, ret_ns);
	return 0;
}

static void report_revoked_handles(struct foreground *f, uint64_t ns,
				   const char *cause)
{
	if (f->switched.n > 0)
		f->callbacks->revoked(f->callbacks->arg, &f->switched, ns,
				      cause);
}

void foreground_revoke_handles(struct foreground *f, const char *cause)
{
	uint64_t begin = clock_mono_ns();

	f->switched.n = 0;
	for (unsigned int i = 0; i < f->vps->n; i++) {
		struct vp *v = f->vps->vp[i];
		uint32_t lost = 0;

		if (!v->run || v->run->cgroup < 0)
			continue;
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			if (v->right[c].kill && !(v->run->allowed >> c & 1))
				lost |= 1U << c;
		if (lost & f->device->by_class)
			revoke_open_handles(f, v, lost & f->device->by_class,
					    &f->switched);
	}
	report_revoked_handles(f, clock_mono_ns() - begin, cause);
}

void foreground_revoke_nodes(struct foreground *f,
			     const struct backend_node *nodes, size_t n,
			     const char *cause)
{
	uint64_t begin = clock_mono_ns();
	uint32_t classes = 0;

	f->switched.n = 0;
	for (size_t i = 0; i < n; i++)
		classes |= nodes[i].classes;
	for (unsigned int i = 0; i < f->vps->n; i++) {
		struct vp *v = f->vps->vp[i];
		uint32_t lost = 0;

		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			if (v->right[c].kill && classes >> c & 1)
				lost |= 1U << c;
		if (lost && v->run && v->run->cgroup >= 0)
			revoke_node_handles(nodes, n, v, lost, &f->switched);
	}
	report_revoked_handles(f, clock_mono_ns() - begin, cause);
}

static int set_display_held_error(const struct vp *v, const struct err *why,
				  struct err *e)
{
	return err_reason(e, REASON_DISPLAY_HELD, "bring %s%s to the front: %s",
			  v ? "VP " : "the host", v ? v->name : "", why->text);
}

/* A VP that has a display is not in front unless it is seen there. */
static int check_display_free(struct foreground *f, const struct vp *v,
			      struct err *e)
{
	struct err why;
	int r;

	if (!v || !v->run || !f->device->type->check_shown ||
	    v->right[CELLS_CLASS_DISPLAY].right.use == CELLS_USE_NONE)
		return 0;
	r = f->device->type->check_shown(f->device->backend, &why);
	if (r < 0 && why.reason == REASON_DISPLAY_HELD)
		return set_display_held_error(v, &why, e);
	return r < 0 ? err_set(e, -r, "bring VP %s to the front: %s", v->name,
			       why.text)
		     : 0;
}

int foreground_switch(struct foreground *f, struct vp *v, const char *cause,
		      uint64_t *ret_ns, struct err *e)
{
	struct vp *from = vp_table_get_foreground(f->vps);
	uint64_t begin = clock_mono_ns(), last = begin, ns;
	struct err why;
	int r;

	*ret_ns = 0;
	if (strcmp(cause, "user") == 0)
		idle_record_input(f->idle);
	if (from == v) {
		/* What could not be given then may be now. */
		foreground_apply_access(f, cause, &f->switched, &last);
		report_revoked_handles(f, last - begin, cause);
		return check_display_free(f, v, e);
	}
	if (v && v->run && v->run->cause)
		return err_reason(e, REASON_VP_STATE,
				  "bring VP %s to the front: it is stopping",
				  v->name);
	r = check_display_free(f, v, e);
	if (r == 0)
		r = vp_table_set_foreground(f->vps, v, e);
	if (r < 0)
		return r;
	if (move_foreground(f, from, cause, &last, &why) < 0) {
		/* Who it is, if it is there still. */
		r = check_display_free(f, v, e);
		return r < 0 ? r : set_display_held_error(v, &why, e);
	}
	idle_record_activity(f->idle);
	ns = clock_mono_ns() - begin;
	f->callbacks->switched(f->callbacks->arg, from ? from->name : "",
			       v ? v->name : "", f->vps->front_generation,
			       cause, ns);
	if (from) {
		f->callbacks->changed(f->callbacks->arg, from->name,
				      from->state, cause);
		foreground_socket_send_foreground(from, false);
	}
	if (v) {
		f->callbacks->changed(f->callbacks->arg, v->name, v->state,
				      cause);
		foreground_socket_send_foreground(v, true);
	}
	report_revoked_handles(f, last - begin, cause);
	*ret_ns = ns;
	/* Behind the switch: what is in the background can wait. */
	if (from)
		resource_apply_limits(from, false);
	if (v)
		resource_apply_limits(v, true);
	if (from)
		resource_adjust_oom_scores(from, false);
	if (v)
		resource_adjust_oom_scores(v, true);
	vp_table_compact_log(f->vps);
	return 0;
}

void foreground_handle_hotkey(struct foreground *f, uint32_t which)
{
	static const int steps[] = { 1, -1, 0 };
	struct vp *v = NULL;
	uint64_t ns;
	struct err e;

	if (which >= ARRAY_SIZE(steps))
		return;
	if (steps[which]) {
		v = foreground_find_neighbour(f, steps[which]);
		if (!v)
			return;
	}
	if (foreground_switch(f, v, "user", &ns, &e) < 0)
		log_error("%s", e.text);
}

struct vp *foreground_find_neighbour(struct foreground *f, int step)
{
	struct vp_table *r = f->vps;
	struct vp *foreground = vp_table_get_foreground(r);
	unsigned int at = step > 0 ? r->n - 1 : 0;

	for (unsigned int i = 0; i < r->n; i++)
		if (r->vp[i] == foreground)
			at = i;
	for (unsigned int i = 0; i < r->n; i++) {
		at = (at + r->n + (unsigned int)step) % r->n;
		if (vp_state_is_running(r->vp[at]->state) &&
		    r->vp[at] != foreground)
			return r->vp[at];
	}
	return NULL;
}

int foreground_offer_socket(struct foreground *f, struct vp *v, int run,
			    struct err *e)
{
	const struct foreground_socket_options o = {
		.loop = f->loop,
		.vps = f->vps,
		.idle = f->idle,
		.callbacks = f->callbacks,
		.switch_to = foreground_switch,
		.foreground = f,
	};

	return foreground_socket_open(&o, v, run, e);
}
