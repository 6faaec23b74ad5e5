/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lock.h"

#include "cellsd/context.h"
#include "cellsd/erase.h"
#include "cellsd/prestart.h"
#include "cellsd/vp_data.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The mounts of a VP that ended go in the background, within a millisecond. */
#define FIRST_USEC 200
#define LONGEST_USEC 100000
#define PATIENCE_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define AGAIN_USEC 1000000

struct lockdown {
	struct host *h;
	char name[VP_NAME_SIZE];
	uint64_t begin_ns, gone_ns, pause_usec;
	unsigned int keys;
	bool told; /* that it is incomplete */
	sd_event_source *timer;
};

static void lockdown_free(struct lockdown *l)
{
	sd_event_source_disable_unref(l->timer);
	free(l);
}

static void end(struct lockdown *l, struct vp *v, const struct err *e)
{
	prepared_discard(l->h, v);
	if (e)
		log_error("%s", e->text);
	v->sealing = false;
	lockdown_free(l);
	host_tell_waiters(v, e);
}

static void retry(struct lockdown *l, uint64_t usec)
{
	sd_event_source_set_time_relative(l->timer, usec);
	sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

/* A lock: the key is gone; without its slot the device cannot bring it back. */
static void lock(struct lockdown *l, struct vp *v)
{
	struct err e;
	int r = vpdata_bar(l->h->vpdata, v, &v->sealed.slots, &e);

	v->sealed.keys = l->keys;
	v->sealed.ns = l->gone_ns - l->begin_ns;
	v->sealed.incomplete = false;
	host_tell_waiters(v, r < 0 ? &e : NULL);
	/* This takes longer than all before, and matters to nobody. */
	vpdata_close(l->h->vpdata, v);
	prepared_discard(l->h, v);
	end(l, v, r < 0 ? &e : NULL);
}

static void wipe(struct lockdown *l, struct vp *v, bool incomplete)
{
	struct host *h = l->h;
	struct err e;
	int r = incomplete ? roster_incomplete(h->roster, v, &e) : 0;

	if (r == 0)
		r = roster_step(h->roster, v, "shred", &e);
	if (r == 0)
		r = vpdata_shred(h->vpdata, v, &e);
	if (r == 0)
		r = roster_step(h->roster, v, "delete", &e);
	if (r < 0) {
		end(l, v, &e);
		return;
	}
	vpdata_close(h->vpdata, v);
	prepared_discard(h, v);
	v->sealing = false;
	lockdown_free(l);
	erase_begin(h, v);
}

/* Something holds the VP's files: it is asked again, and that is told. */
static void wait_more(struct lockdown *l, struct vp *v, const struct err *e)
{
	bool late = clock_mono_ns() - l->begin_ns > PATIENCE_NS;

	if (!late) {
		retry(l, l->pause_usec);
		if (l->pause_usec < LONGEST_USEC)
			l->pause_usec *= 2;
		return;
	}
	if (!l->told)
		log_error("lock of VP %s is incomplete: %s", v->name, e->text);
	if (v->state == VPSTATE_WIPING) {
		wipe(l, v, true);
		return;
	}
	if (!l->told) {
		prepared_discard(l->h, v);
		v->sealed.keys = 0;
		v->sealed.slots = 0;
		v->sealed.ns = 0;
		v->sealed.incomplete = true;
		host_tell_waiters(v, NULL);
	}
	l->told = true;
	retry(l, AGAIN_USEC);
}

static int on_step(sd_event_source *s, uint64_t usec, void *arg)
{
	struct lockdown *l = arg;
	struct vp *v = roster_find(l->h->roster, l->name);
	unsigned int keys = 0;
	struct err e;
	int r = 0;

	if (!v) {
		lockdown_free(l);
		return 0;
	}
	if (!v->shredding)
		r = vpdata_evict(l->h->vpdata, v, &keys, &e);
	if (keys > l->keys)
		l->keys = keys;
	l->gone_ns = clock_mono_ns();
	if (r < 0)
		wait_more(l, v, &e);
	else if (v->state == VPSTATE_WIPING)
		wipe(l, v, false);
	else
		lock(l, v);
	return 0;
}

/* What there is to destroy goes into the wipe's receipt, so it is in the log
 * before. */
static int note_wipe(struct host *h, struct vp *v, struct err *e)
{
	struct vpdata_info info;
	int r;

	vpdata_tell(h->vpdata, v, &info);
	r = roster_destroying(h->roster, v, info.n_slots, info.open, info.id,
			      e);
	return r < 0 ? r : roster_step(h->roster, v, "evict", e);
}

void lockdown_begin(struct host *h, struct vp *v)
{
	struct lockdown *l;
	struct err e;
	int r = 0;

	/* Its tree holds the data in use. */
	prepared_end(v);
	if (v->sealing || v->erasing)
		return;
	l = calloc(1, sizeof(*l));
	if (!l) {
		err_oom(&e, "lock a VP");
		host_tell_waiters(v, &e);
		return;
	}
	v->sealing = true;
	l->h = h;
	l->begin_ns = clock_mono_ns();
	l->pause_usec = FIRST_USEC;
	memcpy(l->name, v->name, sizeof(l->name));
	if (v->state == VPSTATE_WIPING)
		r = note_wipe(h, v, &e);
	if (r == 0) {
		r = sd_event_add_time_relative(h->options.loop, &l->timer,
					       CLOCK_MONOTONIC, 0, 1, on_step,
					       l);
		if (r < 0)
			err_sys(&e, -r, "lock VP %s", v->name);
	}
	if (r < 0)
		end(l, v, &e);
	else
		on_step(l->timer, 0, l);
}
