/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/lifecycle/prestart.h"

#include "cellsd/container/layer.h"
#include "cellsd/lifecycle/host.h"
#include "cellsd/lifecycle/launch.h"
#include "cellsd/storage/vp_data.h"
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
	struct host *host;
	unsigned int limit;
	uint64_t rest_ns; /* boot clock: none before */
	sd_event_source *timer;
};

/* ---- which */

static bool is_prestart_candidate(struct host *h, const struct vp *v)
{
	struct err ignored;

	return (v->state == VP_STATE_STOPPED ||
		v->state == VP_STATE_INSTALLED) &&
	       !v->run && !v->is_evicting && !v->erasing &&
	       !v->prestart_failed &&
	       launch_check_config(h, v, &ignored) == 0 &&
	       vp_data_is_available(h->vpdata, v);
}

/* Those that ended last; else in the order of the desired state. */
static unsigned int choose_candidates(const struct prestart *p,
				      struct vp *ret[PRESTART_LIMIT_MAX])
{
	const struct vp_table *r = p->host->vp_table;
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];
		unsigned int at = n;

		if (!is_prestart_candidate(p->host, v))
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

void prestart_discard_vp(struct host *h, struct vp *v)
{
	if (!v->prepared)
		return;
	launch_undo(h, v);
	prestart_schedule(h->prepared);
}

void prestart_kill_vp(struct vp *v)
{
	if (v->prepared)
		launch_kill_prepared(v);
}

void prestart_discard_outdated(struct host *h)
{
	for (unsigned int i = 0; i < h->vp_table->n; i++) {
		struct vp *v = h->vp_table->vp[i];

		v->prestart_failed = false;
		if (v->prepared && !launch_is_current(v))
			prestart_discard_vp(h, v);
	}
	prestart_schedule(h->prepared);
}

static void discard_all_prepared(struct host *h)
{
	for (unsigned int i = 0; i < h->vp_table->n; i++)
		prestart_discard_vp(h, h->vp_table->vp[i]);
}

bool prestart_release_memory(struct host *h)
{
	bool any = false;

	for (unsigned int i = 0; i < h->vp_table->n; i++)
		any |= h->vp_table->vp[i]->prepared != NULL;
	if (h->prepared)
		h->prepared->rest_ns = clock_boot_ns() + REST_NS;
	discard_all_prepared(h);
	if (any)
		log_info("memory is short: nothing is kept prepared");
	return any;
}

/* ---- preparing */

/* It was ended from outside: it starts as others do. */
static int on_prepared_exit(sd_event_source *s, int fd, uint32_t events,
			    void *arg)
{
	struct host *h = arg;

	sd_event_source_set_enabled(s, SD_EVENT_OFF);
	for (unsigned int i = 0; i < h->vp_table->n; i++) {
		struct vp *v = h->vp_table->vp[i];

		if (!v->prepared || v->prepared->on_exit != s)
			continue;
		log_warning("VP %s: what was prepared has ended", v->name);
		v->prestart_failed = true;
		prestart_discard_vp(h, v);
		break;
	}
	return 0;
}

static int watch_prepared_exit(struct host *h, struct vp *v, struct err *e)
{
	int r = sd_event_add_io(h->options.loop, &v->prepared->on_exit,
				v->prepared->init_process.pidfd, EPOLLIN,
				on_prepared_exit, h);

	return r < 0 ? err_sys(e, -r, "watch it") : 0;
}

static int prepare_candidate(struct host *h, struct vp *v, struct err *e)
{
	int r = launch_prepare(h, v, e);

	if (r < 0)
		return r;
	r = v->prepared->is_outdated ? err_set(e, EAGAIN, "it lacks something")
				     : watch_prepared_exit(h, v, e);
	if (r < 0)
		launch_undo(h, v);
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
	struct vp_table *r = p->host->vp_table;
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
			prestart_discard_vp(p->host, r->vp[i]);
	for (unsigned int i = 0; i < n; i++) {
		if (chosen[i]->prepared)
			continue;
		chosen[i]->prestart_failed =
			prepare_candidate(p->host, chosen[i], &e) < 0;
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

	if (!p)
		return;
	if (now + usec * 1000 < p->rest_ns)
		usec = (p->rest_ns - now) / 1000 + 1;
	timer_start(p->timer, usec);
}

int prestart_new(struct host *h, unsigned int limit, struct prestart **ret,
		 struct err *e)
{
	struct prestart *p;
	int r;

	*ret = NULL;
	if (limit == 0)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_oom(e, "prepare starts");
	p->host = h;
	p->limit = limit;
	r = timer_new(h->options.loop, CLOCK_MONOTONIC, on_prestart_timer, p,
		      &p->timer);
	if (r == 0)
		r = timer_start(p->timer, IDLE_USEC);
	if (r >= 0)
		r = sd_event_source_set_priority(p->timer,
						 SD_EVENT_PRIORITY_IDLE);
	if (r < 0) {
		sd_event_source_disable_unref(p->timer);
		free(p);
		return err_sys(e, -r, "prepare starts");
	}
	*ret = p;
	return 0;
}

void prestart_free(struct prestart *p)
{
	if (!p)
		return;
	discard_all_prepared(p->host);
	sd_event_source_disable_unref(p->timer);
	free(p);
}
