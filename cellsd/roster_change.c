/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/roster.h"

#include "cellsd/journal.h"
#include "cellsd/roster_log.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- open */

int roster_open(const char *path, const char *boot, struct roster **ret,
		struct err *e)
{
	AUTO(roster_freep) struct roster *r = calloc(1, sizeof(*r));
	const char *words[] = { "boot", boot };
	int code;

	if (!r)
		return err_oom(e, path);
	r->next_number = VP_RANGE_FIRST;
	code = journal_open(path, rosterlog_take, r, &r->journal, e);
	if (code < 0)
		return code;
	if (strcmp(r->boot, boot) != 0) {
		journal_add(r->journal, "boot", boot, NULL);
		code = journal_commit(r->journal, e);
		if (code == 0)
			code = rosterlog_take(r, words, 2, e);
	}
	if (code == 0 && journal_is_long(r->journal)) {
		rosterlog_write_all(r);
		code = journal_rewrite(r->journal, e);
	}
	if (code < 0)
		return code;
	*ret = steal(r);
	return 0;
}

void roster_tidy(struct roster *r)
{
	struct err ignored;

	if (!journal_is_long(r->journal))
		return;
	rosterlog_write_all(r);
	journal_rewrite(r->journal, &ignored);
}

/* ---- changes */

/* Does to memory what the record in the log says, or keeps both as they are. */
static int commit(struct roster *r, struct err *e)
{
	return journal_commit(r->journal, e);
}

/* A VP without data that is wished for is installed: it gets a range. */
static int install(struct roster *r, struct roster_wish *w, struct err *e)
{
	uint32_t next = r->next_number;

	for (unsigned int i = 0; i < w->n; i++) {
		struct vp *old = roster_find(r, w->vp[i]->name);

		if (old && old->number)
			continue;
		if (next > VP_RANGE_LAST)
			return err_reason(e, REASON_BUSY,
					  "install VP %s: no range of ids is "
					  "left",
					  w->vp[i]->name);
		w->vp[i]->number = next++;
		journal_add(r->journal, "vp", w->vp[i]->name,
			    ROSTERLOG_NUMBER(w->vp[i]->number), NULL);
	}
	return 0;
}

/* The wish's order, then those that are kept. Cannot fail: there is room. */
static void take_wish(struct roster *r, struct roster_wish *w)
{
	struct vp *kept[ROSTER_VPS_MAX];
	unsigned int n_kept = 0, n = 0;

	for (unsigned int i = 0; i < r->n; i++) {
		r->vp[i]->named = false;
		memset(r->vp[i]->right, 0, sizeof(r->vp[i]->right));
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			r->vp[i]->right[c].kill = true;
	}
	for (unsigned int i = 0; i < w->n; i++) {
		struct vp *wish = w->vp[i], *old = roster_find(r, wish->name);

		if (!old)
			continue;
		if (!vp_conf_equal(&old->conf, &wish->conf))
			old->edition++;
		vp_conf_fini(&old->conf);
		old->conf = wish->conf;
		memset(&wish->conf, 0, sizeof(wish->conf));
		memcpy(old->right, wish->right, sizeof(old->right));
		old->named = true;
		if (wish->number) {
			old->number = wish->number;
			old->state = VPSTATE_INSTALLED;
			r->next_number = wish->number + 1;
		}
		vp_free(wish);
		w->vp[i] = old;
	}
	for (unsigned int i = 0; i < r->n; i++)
		if (!r->vp[i]->named)
			kept[n_kept++] = r->vp[i];
	for (unsigned int i = 0; i < w->n; i++) {
		if (!w->vp[i]->named) { /* new */
			w->vp[i]->named = true;
			w->vp[i]->state = VPSTATE_INSTALLED;
			r->next_number = w->vp[i]->number + 1;
		}
		r->vp[n++] = w->vp[i];
	}
	for (unsigned int i = 0; i < n_kept; i++) {
		if (kept[i]->number)
			r->vp[n++] = kept[i];
		else
			vp_free(kept[i]);
	}
	r->n = n;
	w->n = 0;
}

static unsigned int count_after(const struct roster *r,
				const struct roster_wish *w)
{
	unsigned int n = w->n;

	for (unsigned int i = 0; i < r->n; i++) {
		bool wished = false;

		for (unsigned int k = 0; k < w->n; k++)
			wished |= strcmp(w->vp[k]->name, r->vp[i]->name) == 0;
		n += !wished && r->vp[i]->number;
	}
	return n;
}

int roster_apply(struct roster *r, struct roster_wish *w, struct err *e)
{
	int code;

	if (count_after(r, w) > ROSTER_VPS_MAX)
		return err_reason(e, REASON_BUSY, "more than %d VPs",
				  ROSTER_VPS_MAX);
	for (unsigned int i = 0; i < w->n; i++)
		w->vp[i]->named = true;
	code = install(r, w, e);
	if (code < 0) {
		journal_drop(r->journal);
		return code;
	}
	rosterlog_write_wanted(r->journal, w->generation, w->vp, w->n);
	code = commit(r, e);
	if (code < 0)
		return code;
	for (unsigned int i = 0; i < w->n; i++)
		w->vp[i]->named = false;
	r->apply_generation = w->generation;
	take_wish(r, w);
	return 0;
}

static int refuse(const struct vp *v, enum vpevent ev, struct err *e)
{
	static const char *const verbs[VPEVENT_COUNT] = {
		"install",   "start", "bring to the front",
		"move back", "end",   "lock",
		"unlock",    "wipe",  "erase",
	};

	return err_reason(e, REASON_VP_STATE, "%s VP %s: it is %s", verbs[ev],
			  v->name, vpstate_name(v->state));
}

int roster_move(struct roster *r, struct vp *v, enum vpevent ev, struct err *e)
{
	enum vpstate next = vpstate_next(v->state, ev);
	int code;

	if (next == VPSTATE_COUNT)
		return refuse(v, ev, e);
	if (next == v->state)
		return 0;
	journal_add(r->journal, "state", v->name, vpstate_name(next), NULL);
	/* After a power cut a VP that ran is a stopped one anyway. */
	code = ev == VPEVENT_END ? journal_note(r->journal, e) : commit(r, e);
	if (code == 0)
		rosterlog_set_state(r, v, next);
	return code;
}

static bool may_start(const struct vp *v)
{
	return vpstate_next(v->state, VPEVENT_START) == VPSTATE_BACKGROUND &&
	       !v->run;
}

int roster_prepare(struct roster *r, struct vp *v, struct err *e)
{
	char leaf[VP_LEAF_SIZE];
	struct vp_run *run;
	int code;

	if (!may_start(v))
		return refuse(v, VPEVENT_START, e);
	assert(!v->ready);
	snprintf(leaf, sizeof(leaf), "%s-%u-%" PRIu64, v->name, v->number,
		 r->starts + 1);
	run = vp_run_new(leaf);
	if (!run)
		return err_oom(e, "start a VP");
	journal_add(r->journal, "prepare", v->name, leaf, NULL);
	code = journal_note(r->journal, e);
	if (code < 0) {
		vp_run_free(run);
		return code;
	}
	r->starts++;
	run->edition = v->edition;
	v->ready = run;
	return 0;
}

int roster_start(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	if (!may_start(v))
		return refuse(v, VPEVENT_START, e);
	assert(v->ready);
	journal_add(r->journal, "start", v->name, v->ready->leaf_name, NULL);
	code = journal_note(r->journal, e);
	if (code < 0)
		return code;
	v->run = steal(v->ready);
	v->state = VPSTATE_BACKGROUND;
	return 0;
}

int roster_auto_start(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	journal_add(r->journal, "auto", v->name, NULL);
	code = journal_note(r->journal, e);
	if (code == 0)
		v->auto_started = true;
	return code;
}

int roster_set_front(struct roster *r, struct vp *v, struct err *e)
{
	const char *name = v ? v->name : "";
	struct rosterlog_word generation =
		rosterlog_number(r->front_generation + 1);
	const char *words[] = { "front", name, generation.s };
	int code;

	if (v && vpstate_next(v->state, VPEVENT_FRONT) == VPSTATE_COUNT)
		return refuse(v, VPEVENT_FRONT, e);
	journal_add(r->journal, "front", name, generation.s, NULL);
	code = journal_note(r->journal, e);
	return code < 0 ? code : rosterlog_take(r, words, 3, e);
}

int roster_add_job(struct roster *r, struct vp *v, const char *id, bool remove,
		   struct err *e)
{
	struct roster_job *job;
	int code;

	if (vpstate_next(v->state, VPEVENT_WIPE) != VPSTATE_WIPING)
		return refuse(v, VPEVENT_WIPE, e);
	if (strlen(id) >= ROSTER_JOB_SIZE)
		return err_set(e, EINVAL, "job id too long");
	job = rosterlog_add_job(r, id, v->name, remove, e);
	if (!job)
		return -ENOMEM;
	journal_add(r->journal, "job", id, v->name, remove ? "1" : "0", NULL);
	journal_add(r->journal, "state", v->name, vpstate_name(VPSTATE_WIPING),
		    NULL);
	code = commit(r, e);
	if (code < 0)
		rosterlog_drop_job(r, id);
	else
		rosterlog_set_state(r, v, VPSTATE_WIPING);
	return code;
}

int roster_destroying(struct roster *r, struct vp *v, uint32_t slots,
		      uint32_t keys, const char *key_id, struct err *e)
{
	const char *id = *key_id ? key_id : "none";
	bool news = false;
	int code;

	for (unsigned int i = 0; i < r->n_jobs; i++) {
		struct roster_job *job = r->job[i];

		if (job->done || strcmp(job->vp, v->name) != 0 || *job->key_id)
			continue;
		journal_add(r->journal, "destroying", job->id,
			    ROSTERLOG_NUMBER(slots), ROSTERLOG_NUMBER(keys), id,
			    NULL);
		news = true;
	}
	code = news ? commit(r, e) : 0;
	for (unsigned int i = 0; code == 0 && i < r->n_jobs; i++) {
		struct roster_job *job = r->job[i];

		if (job->done || strcmp(job->vp, v->name) != 0 || *job->key_id)
			continue;
		job->slots = slots;
		job->keys = keys;
		snprintf(job->key_id, sizeof(job->key_id), "%s", id);
	}
	return code;
}

int roster_incomplete(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	for (unsigned int i = 0; i < r->n_jobs; i++)
		if (!r->job[i]->done && strcmp(r->job[i]->vp, v->name) == 0)
			journal_add(r->journal, "incomplete", r->job[i]->id,
				    NULL);
	code = commit(r, e);
	for (unsigned int i = 0; code == 0 && i < r->n_jobs; i++)
		if (!r->job[i]->done && strcmp(r->job[i]->vp, v->name) == 0)
			r->job[i]->incomplete = true;
	return code;
}

int roster_step(struct roster *r, struct vp *v, const char *step, struct err *e)
{
	journal_add(r->journal, "step", v->name, step, NULL);
	return commit(r, e);
}

int roster_measured(struct roster *r, struct roster_job *job, uint64_t bytes,
		    const char *medium, struct err *e)
{
	int code;

	journal_add(r->journal, "measured", job->id, ROSTERLOG_NUMBER(bytes),
		    medium, NULL);
	code = commit(r, e);
	if (code < 0)
		return code;
	job->bytes = bytes;
	snprintf(job->medium, sizeof(job->medium), "%s", medium);
	return 0;
}

int roster_erased(struct roster *r, struct vp *v, struct err *e)
{
	bool drop = !v->named;
	int code;

	for (unsigned int i = 0; i < r->n_jobs; i++) {
		struct roster_job *job = r->job[i];

		if (job->done || strcmp(job->vp, v->name) != 0)
			continue;
		journal_add(r->journal, "done", job->id, NULL);
		drop |= job->remove;
	}
	journal_add(r->journal, "state", v->name, vpstate_name(VPSTATE_ABSENT),
		    NULL);
	if (drop)
		journal_add(r->journal, "drop", v->name, NULL);
	code = commit(r, e);
	if (code < 0)
		return code;
	for (unsigned int i = 0; i < r->n_jobs; i++)
		if (strcmp(r->job[i]->vp, v->name) == 0)
			r->job[i]->done = true;
	rosterlog_set_state(r, v, VPSTATE_ABSENT);
	if (drop)
		rosterlog_drop_vp(r, v);
	return 0;
}

int roster_forget_job(struct roster *r, const char *id, struct err *e)
{
	struct roster_job *job = roster_find_job(r, id);
	int code;

	if (!job)
		return 0;
	if (!job->done)
		return err_reason(e, REASON_BUSY, "forget job %s: under way",
				  id);
	journal_add(r->journal, "forget", id, NULL);
	code = commit(r, e);
	if (code == 0)
		rosterlog_drop_job(r, id);
	return code;
}
