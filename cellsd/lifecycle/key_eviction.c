/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/key_eviction.h"

#include "cellsd/lifecycle/erase.h"
#include "cellsd/lifecycle/host.h"
#include "cellsd/lifecycle/prestart.h"
#include "cellsd/storage/vp_data.h"
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

struct key_eviction {
	struct host *h;
	char name[VP_NAME_SIZE];
	uint64_t begin_ns, gone_ns, pause_usec;
	unsigned int keys;
	bool is_reported; /* that it is incomplete */
	sd_event_source *timer;
};

static void key_eviction_free(struct key_eviction *l)
{
	sd_event_source_disable_unref(l->timer);
	free(l);
}

static void finish_key_eviction(struct key_eviction *l, struct vp *v,
				const struct err *e)
{
	prestart_discard_vp(l->h, v);
	if (e)
		log_error("%s", e->text);
	v->is_evicting = false;
	key_eviction_free(l);
	vp_notify_waiters(v, e);
}

/* A lock: the key is gone; without its slot the device cannot bring it back. */
static void complete_vp_lock(struct key_eviction *l, struct vp *v)
{
	struct err e;
	int r = vp_data_destroy_device_slot(l->h->vpdata, v, &v->eviction.slots,
					    &e);

	v->eviction.keys = l->keys;
	v->eviction.ns = l->gone_ns - l->begin_ns;
	v->eviction.incomplete = false;
	vp_notify_waiters(v, r < 0 ? &e : NULL);
	/* This takes longer than all before, and matters to nobody. */
	vp_data_close(l->h->vpdata, v);
	prestart_discard_vp(l->h, v);
	finish_key_eviction(l, v, r < 0 ? &e : NULL);
}

static void shred_slots_and_erase(struct key_eviction *l, struct vp *v,
				  bool incomplete)
{
	struct host *h = l->h;
	struct err e;
	int r = incomplete ? vp_table_record_incomplete(h->vp_table, v, &e) : 0;

	if (r == 0)
		r = vp_table_record_wipe_step(h->vp_table, v, "shred", &e);
	if (r == 0)
		r = vp_data_shred_slots(h->vpdata, v, &e);
	if (r == 0)
		r = vp_table_record_wipe_step(h->vp_table, v, "delete", &e);
	if (r < 0) {
		finish_key_eviction(l, v, &e);
		return;
	}
	vp_data_close(h->vpdata, v);
	prestart_discard_vp(h, v);
	v->is_evicting = false;
	key_eviction_free(l);
	erase_begin(h, v);
}

/* Something holds the VP's files: it is asked again, and that is reported. */
static void retry_key_eviction(struct key_eviction *l, struct vp *v,
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
		prestart_discard_vp(l->h, v);
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
	struct key_eviction *l = arg;
	struct vp *v = vp_table_find_vp(l->h->vp_table, l->name);
	unsigned int keys = 0;
	struct err e;
	int r = 0;

	if (!v) {
		key_eviction_free(l);
		return 0;
	}
	if (!v->shredding)
		r = vp_data_evict_key(l->h->vpdata, v, &keys, &e);
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
static int record_wipe_facts(struct host *h, struct vp *v, struct err *e)
{
	struct vp_data_info info;
	int r;

	vp_data_get_info(h->vpdata, v, &info);
	r = vp_table_record_wipe_plan(h->vp_table, v, info.n_slots, info.open,
				      info.id, e);
	return r < 0 ? r
		     : vp_table_record_wipe_step(h->vp_table, v, "evict", e);
}

void key_eviction_start(struct host *h, struct vp *v)
{
	struct key_eviction *l;
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
	l->h = h;
	l->begin_ns = clock_mono_ns();
	l->pause_usec = FIRST_USEC;
	memcpy(l->name, v->name, sizeof(l->name));
	if (v->state == VP_STATE_WIPING)
		r = record_wipe_facts(h, v, &e);
	if (r == 0) {
		r = timer_new(h->options.loop, CLOCK_MONOTONIC,
			      on_eviction_timer, l, &l->timer);
		if (r == 0)
			r = sd_event_source_set_time_accuracy(l->timer, 1);
		if (r < 0)
			err_sys(&e, -r, "lock VP %s", v->name);
	}
	if (r < 0)
		finish_key_eviction(l, v, &e);
	else
		on_eviction_timer(l->timer, 0, l);
}
