/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/operations.h"

#include "cellsd/container/cgroup.h"
#include "cellsd/container/layer.h"
#include "cellsd/lifecycle/foreground.h"
#include "cellsd/lifecycle/key_eviction.h"
#include "cellsd/lifecycle/launch.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/lifecycle/running.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/storage/vp_secrets.h"
#include "cellsd/vp/net.h"
#include "cellsd/vp/resource.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

#include <string.h>

int operations_apply(struct operations *o, struct vp_table_desired *w,
		     const char *cause, uint64_t arrival_ns, uint64_t *ret_ns,
		     struct err *e)
{
	struct vp_table *r = o->launch->vps;
	uint64_t last = arrival_ns;
	bool is_new[VPS_MAX] = { false };
	unsigned int n = w->n;
	int code;

	for (unsigned int i = 0; i < n; i++) {
		struct vp *old = vp_table_find_vp(r, w->vp[i]->name);

		is_new[i] = !old || old->state == VP_STATE_ABSENT;
	}
	code = vp_table_apply_desired(r, w, e);
	if (code < 0)
		return code;
	foreground_apply_access(o->foreground, cause, &o->revoked, &last);
	*ret_ns = last > arrival_ns ? last - arrival_ns : 0;
	prestart_discard_outdated(o->prestart);
	for (unsigned int i = 0; i < r->n; i++) {
		if (i < n && is_new[i])
			o->callbacks->changed(o->callbacks->arg, r->vp[i]->name,
					      r->vp[i]->state, cause);
		resource_apply_limits(r->vp[i],
				      r->vp[i] == vp_table_get_foreground(r));
		vp_data_apply_properties(o->launch->vp_data, r->vp[i]);
		if (!r->vp[i]->is_desired && r->vp[i]->run &&
		    !r->vp[i]->run->cause)
			running_stop_vp(o->running, r->vp[i], false, "policy");
	}
	net_update_rules(o->launch->net);
	vp_table_compact_log(r);
	return 0;
}

void operations_auto_start(struct operations *o)
{
	for (unsigned int i = 0; i < o->launch->vps->n; i++) {
		struct vp *v = o->launch->vps->vp[i];
		bool is_due = v->conf.on_boot && !v->auto_started && !v->run;
		struct err e;

		if (!is_due || launch_check_config(o->launch, v, &e) < 0 ||
		    vp_state_after_event(v->state, VP_EVENT_START) ==
			    VP_STATE_COUNT)
			continue;
		if (running_start_vp(o->running, v, "boot", &e) < 0) {
			log_error("%s", e.text);
			o->callbacks->start_failed(o->callbacks->arg, v->name,
						   "boot", &e);
		}
		/* Afterwards: a daemon that dies meanwhile starts it again. */
		if (vp_table_record_auto_start(o->launch->vps, v, &e) < 0)
			log_error("%s", e.text);
	}
	prestart_schedule(o->prestart);
}

int operations_drop_layer(struct operations *o, const char *digest,
			  struct err *e)
{
	for (unsigned int i = 0; i < o->launch->vps->n; i++) {
		const struct vp *v = o->launch->vps->vp[i];

		for (uint32_t k = 0; k < v->conf.n_layers; k++)
			if ((v->run || v->is_desired) &&
			    strcmp(v->conf.layer[k], digest) == 0)
				return err_reason(e, REASON_BUSY,
						  "drop layer %s: VP %s is on "
						  "it",
						  digest, v->name);
	}
	/* Dropped before is dropped. */
	layer_set_remove(o->launch->layers, digest, e);
	return 0;
}

int operations_stop_vp(struct operations *o, struct vp *v, vp_done_fn *fn,
		       void *arg, struct err *e)
{
	int r;

	if (v->state == VP_STATE_LOCKED || v->state == VP_STATE_WIPING)
		return err_reason(e, REASON_VP_STATE, "stop VP %s: it is %s",
				  v->name, vp_state_name(v->state));
	if (!v->run) {
		fn(arg, NULL);
		return 0;
	}
	/* It stays stopped, even if the daemon died before it noted that. */
	r = v->auto_started ? 0
			    : vp_table_record_auto_start(o->launch->vps, v, e);
	if (r == 0)
		r = vp_add_waiter(v, fn, arg, e);
	if (r == 0 && !v->run->cause)
		running_stop_vp(o->running, v, false, "command");
	return r;
}

/* Locking and wiping begin behind the foreground. */
static int leave_foreground(struct operations *o, struct vp *v, struct err *e)
{
	uint64_t ns;

	return vp_table_get_foreground(o->launch->vps) == v
		       ? foreground_switch(o->foreground, NULL, "command", &ns,
					   e)
		       : 0;
}

int operations_lock_vp(struct operations *o, struct vp *v, vp_done_fn *fn,
		       void *arg, struct err *e)
{
	bool news = v->state != VP_STATE_LOCKED;
	int r = leave_foreground(o, v, e);

	if (r == 0)
		r = vp_table_apply_event(o->launch->vps, v, VP_EVENT_LOCK, e);
	if (r < 0)
		return r;
	/* It is locked in the log: it goes on, even if nobody can be notified.
	 */
	r = vp_add_waiter(v, fn, arg, e);
	if (v->run) {
		running_stop_vp(o->running, v, true, "command");
		return r;
	}
	if (news)
		o->callbacks->changed(o->callbacks->arg, v->name, v->state,
				      "command");
	key_eviction_start(o->key_eviction, v);
	return r;
}

static void on_idle_locked(void *arg, const struct err *e)
{
	if (e)
		log_error("lock an idle VP: %s", e->text);
}

void operations_lock_idle_vp(void *arg, struct vp *v)
{
	struct operations *o = arg;
	struct err e;

	if (operations_lock_vp(o, v, on_idle_locked, NULL, &e) < 0)
		on_idle_locked(NULL, &e);
}

int operations_unlock_vp(struct operations *o, struct vp *v,
			 enum vp_keys_source by,
			 const struct secure_memory *secret, struct err *e)
{
	int r;

	if (v->state == VP_STATE_LOCKED && (v->run || v->is_evicting))
		return err_reason(e, REASON_BUSY,
				  "unlock VP %s: it is being locked", v->name);
	/* It is open: what was given is tested all the same. */
	if (v->state != VP_STATE_LOCKED && by != VP_KEYS_DEVICE)
		return vp_data_check_secret(o->launch->vp_data, v, by, secret,
					    e);
	if (v->state != VP_STATE_LOCKED)
		return vp_state_after_event(v->state, VP_EVENT_UNLOCK) ==
				       VP_STATE_COUNT
			       ? err_reason(e, REASON_VP_STATE,
					    "unlock VP %s: it is %s", v->name,
					    vp_state_name(v->state))
			       : 0;
	r = vp_data_unlock(o->launch->vp_data, v, by, secret, e);
	if (r < 0)
		return r;
	r = vp_table_apply_event(o->launch->vps, v, VP_EVENT_UNLOCK, e);
	if (r < 0)
		key_eviction_start(o->key_eviction, v);
	else
		o->callbacks->changed(o->callbacks->arg, v->name, v->state,
				      "command");
	prestart_schedule(o->prestart);
	return r;
}

int operations_set_passcode(struct operations *o, struct vp *v,
			    const struct secure_memory *old,
			    const struct secure_memory *fresh, struct err *e)
{
	if (v->state == VP_STATE_LOCKED || v->state == VP_STATE_WIPING ||
	    v->is_evicting)
		return err_reason(e, REASON_VP_STATE,
				  "set the passcode of VP %s: it is %s",
				  v->name, vp_state_name(v->state));
	return vp_data_set_passcode(o->launch->vp_data, v, old, fresh, e);
}

int operations_put_secrets(struct operations *o, struct vp *v, const void *data,
			   size_t len, struct err *e)
{
	auto_close int dir = -1;
	int r;

	if (v->state == VP_STATE_LOCKED || v->state == VP_STATE_WIPING ||
	    v->is_evicting)
		return err_reason(e, REASON_VP_STATE,
				  "keep secrets of VP %s: it is %s", v->name,
				  vp_state_name(v->state));
	prestart_discard_vp(o->prestart, v);
	r = vp_data_open(o->launch->vp_data, v, &dir, e);
	/* What it writes itself, at its rate, does not hold this up. */
	if (v->run)
		cgroup_clear_io_limits(v->run->cgroup, v->run->disk);
	if (r == 0)
		r = vp_secrets_save(dir, data, len, e);
	resource_apply_limits(v, vp_table_get_foreground(o->launch->vps) == v);
	/* A daemon that was started after the VP does not hold its /run. */
	if (r == 0 && v->run && v->run->dir >= 0)
		r = vp_secrets_copy_to_run(dir, v->run->dir, vp_get_id_base(v),
					   e);
	return r;
}

int operations_erase_vp(struct operations *o, struct vp *v, const char *command,
			bool remove, vp_done_fn *fn, void *arg, struct err *e)
{
	int r = leave_foreground(o, v, e);

	if (r == 0 && !vp_table_find_command(o->launch->vps, command))
		r = vp_table_add_command(o->launch->vps, v, command, remove, e);
	if (r < 0)
		return r;
	r = vp_add_waiter(v, fn, arg, e);
	o->callbacks->changed(o->callbacks->arg, v->name, v->state, "command");
	if (v->run)
		running_stop_vp(o->running, v, true, "command");
	else
		key_eviction_start(o->key_eviction, v);
	return r;
}
