/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/prestart.h"

#include "cellsd/container/layer.h"
#include "cellsd/lifecycle/launch.h"
#include "cellsd/storage/vp_data.h"
#include "cellsd/vp/vp_table.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/timer.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

/* A VP that is started again at once does not wait behind a preparation. */
#define IDLE_USEC 500000
#define REST_NS (UINT64_C(60) * 1000 * 1000 * 1000)

struct prestart {
	const struct launch *launch;
	sd_event *loop;
	unsigned int limit;
	uint64_t rest_ns; /* boot clock: none before */
	sd_event_source *timer;
};

/* ---- which */

static bool is_prestart_candidate(const struct launch *l, const struct vp *v)
{
	struct err ignored;

	return (v->state == VP_STATE_STOPPED ||
		v->state == VP_STATE_INSTALLED) &&
	       !v->run && !v->is_evicting && !v->erasing &&
	       !v->prestart_failed &&
	       launch_check_config(l, v, &ignored) == 0 &&
	       vp_data_is_available(l->vp_data, v);
}

/* Those that ended last; else in the order of the desired state. */
static unsigned int choose_candidates(const struct prestart *p,
				      struct vp *ret[PRESTART_LIMIT_MAX])
{
	const struct vp_table *r = p->launch->vps;
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];
		unsigned int at = n;

		if (!is_prestart_candidate(p->launch, v))
			continue;
		for (; at > 0 && ret[at - 1]->ended_ns < v->ended_ns; at--)
			if (at < p->limit)
				ret[at] = ret[at - 1];
		if (at < p->limit)
			ret[at] = v;
		if (n < p->limit)
			n++;
	}
	return n;
}

/* ---- discarding */

void prestart_discard_vp(struct prestart *p, struct vp *v)
{
	if (!v->prepared)
		return;
	launch_undo(p->launch, v);
	prestart_schedule(p);
}

void prestart_kill_vp(struct vp *v)
{
	if (v->prepared)
		launch_kill_prepared(v);
}

void prestart_discard_outdated(struct prestart *p)
{
	for (unsigned int i = 0; i < p->launch->vps->n; i++) {
		struct vp *v = p->launch->vps->vp[i];

		v->prestart_failed = false;
		if (v->prepared && !launch_is_current(v))
			prestart_discard_vp(p, v);
	}
	prestart_schedule(p);
}

static void discard_all_prepared(struct prestart *p)
{
	for (unsigned int i = 0; i < p->launch->vps->n; i++)
		prestart_discard_vp(p, p->launch->vps->vp[i]);
}

bool prestart_release_memory(struct prestart *p)
{
	bool any = false;

	for (unsigned int i = 0; i < p->launch->vps->n; i++)
		any |= p->launch->vps->vp[i]->prepared != NULL;
	p->rest_ns = clock_boot_ns() + REST_NS;
	discard_all_prepared(p);
	if (any)
		log_info("memory is short: nothing is kept prepared");
	return any;
}

/* ---- preparing */

/* It was ended from outside: it starts as others do. */
static int on_prepared_exit(sd_event_source *s, int fd, uint32_t events,
			    void *arg)
{
	struct prestart *p = arg;

	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	for (unsigned int i = 0; i < p->launch->vps->n; i++) {
		struct vp *v = p->launch->vps->vp[i];

		if (!v->prepared || v->prepared->on_exit != s)
			continue;
		log_warning("VP %s: what was prepared has ended", v->name);
		v->prestart_failed = true;
		prestart_discard_vp(p, v);
		break;
	}
	return 0;
}

static int watch_prepared_exit(struct prestart *p, struct vp *v, struct err *e)
{
	int r = sd_event_add_io(p->loop, &v->prepared->on_exit,
				v->prepared->init_process.pidfd, EPOLLIN,
				on_prepared_exit, p);

	return r < 0 ? err_sys(e, -r, "watch it") : 0;
}

static int prepare_candidate(struct prestart *p, struct vp *v, struct err *e)
{
	int r = launch_prepare(p->launch, v, e);

	if (r < 0)
		return r;
	r = v->prepared->is_outdated ? err_set(e, EAGAIN, "it lacks something")
				     : watch_prepared_exit(p, v, e);
	if (r < 0)
		launch_undo(p->launch, v);
	return r;
}

static bool is_chosen_vp(struct vp *const *chosen, unsigned int n,
			 const struct vp *v)
{
	for (unsigned int i = 0; i < n; i++)
		if (chosen[i] == v)
			return true;
	return false;
}

static int on_prestart_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct prestart *p = arg;
	struct vp_table *r = p->launch->vps;
	struct vp *chosen[PRESTART_LIMIT_MAX];
	unsigned int n = choose_candidates(p, chosen);
	struct err e;

	if (clock_boot_ns() < p->rest_ns) {
		prestart_schedule(p);
		return 0;
	}
	for (unsigned int i = 0; i < r->n; i++)
		if (!is_chosen_vp(chosen, n, r->vp[i]) ||
		    !launch_is_current(r->vp[i]))
			prestart_discard_vp(p, r->vp[i]);
	for (unsigned int i = 0; i < n; i++) {
		if (chosen[i]->prepared)
			continue;
		chosen[i]->prestart_failed =
			prepare_candidate(p, chosen[i], &e) < 0;
		if (chosen[i]->prestart_failed)
			log_warning("prepare VP %s: %s", chosen[i]->name,
				    e.text);
		else
			log_debug("VP %s is prepared", chosen[i]->name);
		/* Others may have something to do between two of them. */
		prestart_schedule(p);
		return 0;
	}
	return 0;
}

void prestart_schedule(struct prestart *p)
{
	uint64_t now = clock_boot_ns(), usec = IDLE_USEC;

	if (!p->timer)
		return;
	if (now + usec * 1000 < p->rest_ns)
		usec = (p->rest_ns - now) / 1000 + 1;
	timer_start(p->timer, usec);
}

static void prestart_freep(struct prestart **p)
{
	prestart_free(*p);
}

int prestart_new(const struct launch *l, sd_event *loop, unsigned int limit,
		 struct prestart **ret, struct err *e)
{
	AUTO(prestart_freep) struct prestart *p = calloc(1, sizeof(*p));

	if (!p)
		return err_oom(e, "prepare starts");
	p->launch = l;
	p->loop = loop;
	p->limit = limit;
	*ret = steal(p);
	return 0;
}

int prestart_begin(struct prestart *p, struct err *e)
{
	int r;

	if (p->limit == 0)
		return 0;
	r = timer_new(p->loop, CLOCK_MONOTONIC, on_prestart_timer, p,
		      &p->timer);
	if (r == 0)
		r = sd_event_source_set_priority(p->timer,
						 SD_EVENT_PRIORITY_IDLE);
	if (r < 0)
		return err_sys(e, -r, "prepare starts");
	prestart_schedule(p);
	return 0;
}

void prestart_free(struct prestart *p)
{
	if (!p)
		return;
	if (p->timer)
		discard_all_prepared(p);
	sd_event_source_disable_unref(p->timer);
	free(p);
}
