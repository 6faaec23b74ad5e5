/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/operations.h"

#include "cellsd/cgroup.h"
#include "cellsd/context.h"
#include "cellsd/foreground.h"
#include "cellsd/launch.h"
#include "cellsd/layer.h"
#include "cellsd/lock.h"
#include "cellsd/prestart.h"
#include "cellsd/resource.h"
#include "cellsd/running.h"
#include "cellsd/vp_data.h"
#include "cellsd/vp_secrets.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

#include <string.h>

int control_apply(struct host *h, struct roster_wish *w, const char *cause,
		  uint64_t arrival_ns, uint64_t *ret_ns, struct err *e)
{
	struct roster *r = h->roster;
	uint64_t last = arrival_ns;
	bool is_new[ROSTER_VPS_MAX] = { false };
	unsigned int n = w->n;
	int code;

	for (unsigned int i = 0; i < n; i++) {
		struct vp *old = roster_find(r, w->vp[i]->name);

		is_new[i] = !old || old->state == VPSTATE_ABSENT;
	}
	code = roster_apply(r, w, e);
	if (code < 0)
		return code;
	front_settle(h, cause, &h->revoked, &last);
	*ret_ns = last > arrival_ns ? last - arrival_ns : 0;
	prepared_review(h);
	for (unsigned int i = 0; i < r->n; i++) {
		if (i < n && is_new[i])
			h->watch.changed(h->watch.arg, r->vp[i]->name,
					 r->vp[i]->state, cause);
		resource_settle(r->vp[i], r->vp[i] == roster_front(r));
		vpdata_settle(h->vpdata, r->vp[i]);
		if (!r->vp[i]->named && r->vp[i]->run && !r->vp[i]->run->cause)
			running_end(h, r->vp[i], false, "policy");
	}
	net_settle(h);
	roster_tidy(r);
	return 0;
}

void control_auto_start(struct host *h)
{
	for (unsigned int i = 0; i < h->roster->n; i++) {
		struct vp *v = h->roster->vp[i];
		bool is_due = v->conf.on_boot && !v->auto_started && !v->run;
		struct err e;

		if (!is_due || launch_check(h, v, &e) < 0 ||
		    vpstate_next(v->state, VPEVENT_START) == VPSTATE_COUNT)
			continue;
		if (running_start(h, v, "boot", &e) < 0) {
			log_error("%s", e.text);
			h->watch.start_failed(h->watch.arg, v->name, "boot",
					      &e);
		}
		/* Afterwards: a daemon that dies meanwhile starts it again. */
		if (roster_auto_start(h->roster, v, &e) < 0)
			log_error("%s", e.text);
	}
	prepared_arm(h->prepared);
}

int control_drop_layer(struct host *h, const char *digest, struct err *e)
{
	for (unsigned int i = 0; i < h->roster->n; i++) {
		const struct vp *v = h->roster->vp[i];

		for (uint32_t k = 0; k < v->conf.n_layers; k++)
			if ((v->run || v->named) &&
			    strcmp(v->conf.layer[k], digest) == 0)
				return err_reason(e, REASON_BUSY,
						  "drop layer %s: VP %s is on "
						  "it",
						  digest, v->name);
	}
	/* Dropped before is dropped. */
	layers_drop(h->layers, digest, e);
	return 0;
}

int control_stop(struct host *h, struct vp *v, host_done_fn *fn, void *arg,
		 struct err *e)
{
	int r;

	if (v->state == VPSTATE_LOCKED || v->state == VPSTATE_WIPING)
		return err_reason(e, REASON_VP_STATE, "stop VP %s: it is %s",
				  v->name, vpstate_name(v->state));
	if (!v->run) {
		fn(arg, NULL);
		return 0;
	}
	/* It stays stopped, even if the daemon died before it noted that. */
	r = v->auto_started ? 0 : roster_auto_start(h->roster, v, e);
	if (r == 0)
		r = host_wait(v, fn, arg, e);
	if (r == 0 && !v->run->cause)
		running_end(h, v, false, "command");
	return r;
}

/* Locking and wiping begin behind the foreground. */
static int leave_front(struct host *h, struct vp *v, struct err *e)
{
	uint64_t ns;

	return roster_front(h->roster) == v
		       ? front_switch(h, NULL, "command", &ns, e)
		       : 0;
}

int control_lock(struct host *h, struct vp *v, host_done_fn *fn, void *arg,
		 struct err *e)
{
	bool news = v->state != VPSTATE_LOCKED;
	int r = leave_front(h, v, e);

	if (r == 0)
		r = roster_move(h->roster, v, VPEVENT_LOCK, e);
	if (r < 0)
		return r;
	/* It is locked in the log: it goes on, even if nobody can be told. */
	r = host_wait(v, fn, arg, e);
	if (v->run) {
		running_end(h, v, true, "command");
		return r;
	}
	if (news)
		h->watch.changed(h->watch.arg, v->name, v->state, "command");
	lockdown_begin(h, v);
	return r;
}

static void on_idle_locked(void *arg, const struct err *e)
{
	if (e)
		log_error("lock an idle VP: %s", e->text);
}

void control_lock_idle(struct host *h, struct vp *v)
{
	struct err e;

	if (control_lock(h, v, on_idle_locked, NULL, &e) < 0)
		on_idle_locked(NULL, &e);
}

int control_unlock(struct host *h, struct vp *v, enum vpkeys_by by,
		   const struct secret *secret, struct err *e)
{
	int r;

	if (v->state == VPSTATE_LOCKED && (v->run || v->sealing))
		return err_reason(e, REASON_BUSY,
				  "unlock VP %s: it is being locked", v->name);
	/* It is open: what was given is tested all the same. */
	if (v->state != VPSTATE_LOCKED && by != VPKEYS_DEVICE)
		return vpdata_check(h->vpdata, v, by, secret, e);
	if (v->state != VPSTATE_LOCKED)
		return vpstate_next(v->state, VPEVENT_UNLOCK) == VPSTATE_COUNT
			       ? err_reason(e, REASON_VP_STATE,
					    "unlock VP %s: it is %s", v->name,
					    vpstate_name(v->state))
			       : 0;
	r = vpdata_unlock(h->vpdata, v, by, secret, e);
	if (r < 0)
		return r;
	r = roster_move(h->roster, v, VPEVENT_UNLOCK, e);
	if (r < 0)
		lockdown_begin(h, v);
	else
		h->watch.changed(h->watch.arg, v->name, v->state, "command");
	prepared_arm(h->prepared);
	return r;
}

int control_set_passcode(struct host *h, struct vp *v, const struct secret *old,
			 const struct secret *fresh, struct err *e)
{
	if (v->state == VPSTATE_LOCKED || v->state == VPSTATE_WIPING ||
	    v->sealing)
		return err_reason(e, REASON_VP_STATE,
				  "set the passcode of VP %s: it is %s",
				  v->name, vpstate_name(v->state));
	return vpdata_set_passcode(h->vpdata, v, old, fresh, e);
}

int control_put_secrets(struct host *h, struct vp *v, const void *data,
			size_t len, struct err *e)
{
	auto_close int dir = -1;
	int r;

	if (v->state == VPSTATE_LOCKED || v->state == VPSTATE_WIPING ||
	    v->sealing)
		return err_reason(e, REASON_VP_STATE,
				  "keep secrets of VP %s: it is %s", v->name,
				  vpstate_name(v->state));
	prepared_discard(h, v);
	r = vpdata_open(h->vpdata, v, &dir, e);
	/* What it writes itself, at its rate, does not hold this up. */
	if (v->run)
		leaf_unrate(v->run->leaf, v->run->disk);
	if (r == 0)
		r = handover_keep(dir, data, len, e);
	resource_settle(v, roster_front(h->roster) == v);
	/* A daemon that was started after the VP does not hold its /run. */
	if (r == 0 && v->run && v->run->dir >= 0)
		r = handover_give(dir, v->run->dir, vp_base(v), e);
	return r;
}

int control_erase(struct host *h, struct vp *v, const char *job, bool remove,
		  host_done_fn *fn, void *arg, struct err *e)
{
	int r = leave_front(h, v, e);

	if (r == 0 && !roster_find_job(h->roster, job))
		r = roster_add_job(h->roster, v, job, remove, e);
	if (r < 0)
		return r;
	r = host_wait(v, fn, arg, e);
	h->watch.changed(h->watch.arg, v->name, v->state, "command");
	if (v->run)
		running_end(h, v, true, "command");
	else
		lockdown_begin(h, v);
	return r;
}
