/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/key_eviction.h"

#include "cellsd/lifecycle/erase.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The mounts of a VP that ended go in the background, within a millisecond. */
#define FIRST_USEC 200
#define LONGEST_USEC 100000
#define PATIENCE_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define AGAIN_USEC 1000000

struct eviction_task {
	const struct key_eviction *of;
	char name[VP_NAME_SIZE];
	uint64_t begin_ns, gone_ns, pause_usec;
	unsigned int keys;
	bool is_reported; /* that it is incomplete */
	sd_event_source *timer;
};

static void eviction_task_free(struct eviction_task *l)
{
	sd_event_source_disable_unref(l->timer);
	free(l);
}

static void finish_eviction_task(struct eviction_task *l, struct vp *v,
				 const struct err *e)
{
	prestart_discard_vp(l->of->prestart, v);
	if (e)
		log_error("%s", e->text);
	v->is_evicting = false;
	eviction_task_free(l);
	vp_notify_waiters(v, e);
}

/* A lock: the key is gone; without its slot the device cannot bring it back. */
static void complete_vp_lock(struct eviction_task *l, struct vp *v)
{
	struct err e;
	int r = vp_data_destroy_device_slot(l->of->vp_data, v,
					    &v->eviction.slots, &e);

	v->eviction.keys = l->keys;
	v->eviction.ns = l->gone_ns - l->begin_ns;
	v->eviction.incomplete = false;
	vp_notify_waiters(v, r < 0 ? &e : NULL);
	/* This takes longer than all before, and matters to nobody. */
	vp_data_close(l->of->vp_data, v);
	prestart_discard_vp(l->of->prestart, v);
	finish_eviction_task(l, v, r < 0 ? &e : NULL);
}

static void shred_slots_and_erase(struct eviction_task *l, struct vp *v,
				  bool incomplete)
{
	const struct key_eviction *k = l->of;
	struct err e;
	int r = incomplete ? vp_table_record_incomplete(k->vps, v, &e) : 0;

	if (r == 0)
		r = vp_table_record_wipe_step(k->vps, v, "shred", &e);
	if (r == 0)
		r = vp_data_shred_slots(k->vp_data, v, &e);
	if (r == 0)
		r = vp_table_record_wipe_step(k->vps, v, "delete", &e);
	if (r < 0) {
		finish_eviction_task(l, v, &e);
		return;
	}
	vp_data_close(k->vp_data, v);
	prestart_discard_vp(k->prestart, v);
	v->is_evicting = false;
	eviction_task_free(l);
	erase_begin(k->erase, v);
}

/* Something holds the VP's files: it is asked again, and that is reported. */
static void retry_key_eviction(struct eviction_task *l, struct vp *v,
			       const struct err *e)
{
	bool late = clock_mono_ns() - l->begin_ns > PATIENCE_NS;

	if (!late) {
		timer_start(l->timer, l->pause_usec);
		if (l->pause_usec < LONGEST_USEC)
			l->pause_usec *= 2;
		return;
	}
	if (!l->is_reported)
		log_error("lock of VP %s is incomplete: %s", v->name, e->text);
	if (v->state == VP_STATE_WIPING) {
		shred_slots_and_erase(l, v, true);
		return;
	}
	if (!l->is_reported) {
		prestart_discard_vp(l->of->prestart, v);
		v->eviction.keys = 0;
		v->eviction.slots = 0;
		v->eviction.ns = 0;
		v->eviction.incomplete = true;
		vp_notify_waiters(v, NULL);
	}
	l->is_reported = true;
	timer_start(l->timer, AGAIN_USEC);
}

static int on_eviction_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct eviction_task *l = arg;
	struct vp *v = vp_table_find_vp(l->of->vps, l->name);
	unsigned int keys = 0;
	struct err e;
	int r = 0;

	if (!v) {
		eviction_task_free(l);
		return 0;
	}
	if (!v->shredding)
		r = vp_data_evict_key(l->of->vp_data, v, &keys, &e);
	if (keys > l->keys)
		l->keys = keys;
	l->gone_ns = clock_mono_ns();
	if (r < 0)
		retry_key_eviction(l, v, &e);
	else if (v->state == VP_STATE_WIPING)
		shred_slots_and_erase(l, v, false);
	else
		complete_vp_lock(l, v);
	return 0;
}

/* What there is to destroy goes into the wipe's receipt, so it is in the log
 * before. */
static int record_wipe_facts(const struct key_eviction *k, struct vp *v,
			     struct err *e)
{
	struct vp_data_info info;
	int r;

	vp_data_get_info(k->vp_data, v, &info);
	r = vp_table_record_wipe_plan(k->vps, v, info.n_slots, info.open,
				      info.id, e);
	return r < 0 ? r : vp_table_record_wipe_step(k->vps, v, "evict", e);
}

void key_eviction_start(const struct key_eviction *k, struct vp *v)
{
	struct eviction_task *l;
	struct err e;
	int r = 0;

	/* Its tree holds the data in use. */
	prestart_kill_vp(v);
	if (v->is_evicting || v->erasing)
		return;
	l = calloc(1, sizeof(*l));
	if (!l) {
		err_oom(&e, "lock a VP");
		vp_notify_waiters(v, &e);
		return;
	}
	v->is_evicting = true;
	l->of = k;
	l->begin_ns = clock_mono_ns();
	l->pause_usec = FIRST_USEC;
	memcpy(l->name, v->name, sizeof(l->name));
	if (v->state == VP_STATE_WIPING)
		r = record_wipe_facts(k, v, &e);
	if (r == 0) {
		r = timer_new(k->loop, CLOCK_MONOTONIC, on_eviction_timer, l,
			      &l->timer);
		if (r == 0)
			r = sd_event_source_set_time_accuracy(l->timer, 1);
		if (r < 0)
			err_sys(&e, -r, "lock VP %s", v->name);
	}
	if (r < 0)
		finish_eviction_task(l, v, &e);
	else
		on_eviction_timer(l->timer, 0, l);
}
