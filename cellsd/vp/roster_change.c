/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/roster.h"

#include "cellsd/vp/journal.h"
#include "cellsd/vp/roster_log.h"
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
	code = journal_open(path, roster_log_apply_record, r, &r->journal, e);
	if (code < 0)
		return code;
	if (strcmp(r->boot, boot) != 0) {
		journal_add_record(r->journal, "boot", boot, NULL);
		code = journal_commit_batch(r->journal, e);
		if (code == 0)
			code = roster_log_apply_record(r, words, 2, e);
	}
	if (code == 0 && journal_needs_rewrite(r->journal)) {
		roster_log_write_all(r);
		code = journal_rewrite(r->journal, e);
	}
	if (code < 0)
		return code;
	*ret = steal(r);
	return 0;
}

void roster_compact_log(struct roster *r)
{
	struct err ignored;

	if (!journal_needs_rewrite(r->journal))
		return;
	roster_log_write_all(r);
	journal_rewrite(r->journal, &ignored);
}

/* ---- changes */

/* Commits the batch. The caller changes memory only if this succeeded. */
static int commit_roster_log(struct roster *r, struct err *e)
{
	return journal_commit_batch(r->journal, e);
}

/* A desired VP without data is installed: it gets a range. */
static int assign_id_ranges(struct roster *r, struct roster_desired *w,
			    struct err *e)
{
	uint32_t next = r->next_number;

	for (unsigned int i = 0; i < w->n; i++) {
		struct vp *old = roster_find_vp(r, w->vp[i]->name);

		if (old && old->number)
			continue;
		if (next > VP_RANGE_LAST)
			return err_reason(e, REASON_BUSY,
					  "install VP %s: no range of ids is "
					  "left",
					  w->vp[i]->name);
		w->vp[i]->number = next++;
		journal_add_record(r->journal, "vp", w->vp[i]->name,
				   ROSTER_LOG_NUMBER(w->vp[i]->number), NULL);
	}
	return 0;
}

/* The desired order, then those that are kept. Cannot fail: there is room. */
static void adopt_desired_vps(struct roster *r, struct roster_desired *w)
{
	struct vp *kept[VPS_MAX];
	unsigned int n_kept = 0, n = 0;

	for (unsigned int i = 0; i < r->n; i++) {
		r->vp[i]->named = false;
		memset(r->vp[i]->right, 0, sizeof(r->vp[i]->right));
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			r->vp[i]->right[c].kill = true;
	}
	for (unsigned int i = 0; i < w->n; i++) {
		struct vp *wish = w->vp[i],
			  *old = roster_find_vp(r, wish->name);

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
			old->state = VP_STATE_INSTALLED;
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
			w->vp[i]->state = VP_STATE_INSTALLED;
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

static unsigned int count_vps_after_apply(const struct roster *r,
					  const struct roster_desired *w)
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

int roster_apply_desired(struct roster *r, struct roster_desired *w,
			 struct err *e)
{
	int code;

	if (count_vps_after_apply(r, w) > VPS_MAX)
		return err_reason(e, REASON_BUSY, "more than %d VPs", VPS_MAX);
	for (unsigned int i = 0; i < w->n; i++)
		w->vp[i]->named = true;
	code = assign_id_ranges(r, w, e);
	if (code < 0) {
		journal_discard_batch(r->journal);
		return code;
	}
	roster_log_write_desired(r->journal, w->generation, w->vp, w->n);
	code = commit_roster_log(r, e);
	if (code < 0)
		return code;
	for (unsigned int i = 0; i < w->n; i++)
		w->vp[i]->named = false;
	r->apply_generation = w->generation;
	adopt_desired_vps(r, w);
	return 0;
}

static int set_state_error(const struct vp *v, enum vp_event ev, struct err *e)
{
	static const char *const verbs[VP_EVENT_COUNT] = {
		"install",   "start", "bring to the front",
		"move back", "end",   "lock",
		"unlock",    "wipe",  "erase",
	};

	return err_reason(e, REASON_VP_STATE, "%s VP %s: it is %s", verbs[ev],
			  v->name, vp_state_name(v->state));
}

int roster_apply_event(struct roster *r, struct vp *v, enum vp_event ev,
		       struct err *e)
{
	enum vp_state next = vp_state_after_event(v->state, ev);
	int code;

	if (next == VP_STATE_COUNT)
		return set_state_error(v, ev, e);
	if (next == v->state)
		return 0;
	journal_add_record(r->journal, "state", v->name, vp_state_name(next),
			   NULL);
	/* After a power cut a VP that ran is a stopped one anyway. */
	code = ev == VP_EVENT_END ? journal_commit_unsynced(r->journal, e)
				  : commit_roster_log(r, e);
	if (code == 0)
		roster_log_set_state(r, v, next);
	return code;
}

static bool is_start_allowed(const struct vp *v)
{
	return vp_state_after_event(v->state, VP_EVENT_START) ==
		       VP_STATE_BACKGROUND &&
	       !v->run;
}

int roster_record_prepare(struct roster *r, struct vp *v, struct err *e)
{
	char cgroup[VP_CGROUP_SIZE];
	struct vp_run *run;
	int code;

	if (!is_start_allowed(v))
		return set_state_error(v, VP_EVENT_START, e);
	assert(!v->ready);
	snprintf(cgroup, sizeof(cgroup), "%s-%u-%" PRIu64, v->name, v->number,
		 r->starts + 1);
	run = vp_run_new(cgroup);
	if (!run)
		return err_oom(e, "start a VP");
	journal_add_record(r->journal, "prepare", v->name, cgroup, NULL);
	code = journal_commit_unsynced(r->journal, e);
	if (code < 0) {
		vp_run_free(run);
		return code;
	}
	r->starts++;
	run->edition = v->edition;
	v->ready = run;
	return 0;
}

int roster_record_start(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	if (!is_start_allowed(v))
		return set_state_error(v, VP_EVENT_START, e);
	assert(v->ready);
	journal_add_record(r->journal, "start", v->name, v->ready->cgroup_name,
			   NULL);
	code = journal_commit_unsynced(r->journal, e);
	if (code < 0)
		return code;
	v->run = steal(v->ready);
	v->state = VP_STATE_BACKGROUND;
	return 0;
}

int roster_record_auto_start(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	journal_add_record(r->journal, "auto", v->name, NULL);
	code = journal_commit_unsynced(r->journal, e);
	if (code == 0)
		v->auto_started = true;
	return code;
}

int roster_set_foreground(struct roster *r, struct vp *v, struct err *e)
{
	const char *name = v ? v->name : "";
	struct roster_log_word generation =
		roster_log_format_number(r->front_generation + 1);
	const char *words[] = { "front", name, generation.s };
	int code;

	if (v && vp_state_after_event(v->state, VP_EVENT_FOREGROUND) ==
			 VP_STATE_COUNT)
		return set_state_error(v, VP_EVENT_FOREGROUND, e);
	journal_add_record(r->journal, "front", name, generation.s, NULL);
	code = journal_commit_unsynced(r->journal, e);
	return code < 0 ? code : roster_log_apply_record(r, words, 3, e);
}

int roster_add_command(struct roster *r, struct vp *v, const char *id,
		       bool remove, struct err *e)
{
	struct roster_command *job;
	int code;

	if (vp_state_after_event(v->state, VP_EVENT_WIPE) != VP_STATE_WIPING)
		return set_state_error(v, VP_EVENT_WIPE, e);
	if (strlen(id) >= ROSTER_COMMAND_SIZE)
		return err_set(e, EINVAL, "job id too long");
	job = roster_log_add_command(r, id, v->name, remove, e);
	if (!job)
		return -ENOMEM;
	journal_add_record(r->journal, "job", id, v->name, remove ? "1" : "0",
			   NULL);
	journal_add_record(r->journal, "state", v->name,
			   vp_state_name(VP_STATE_WIPING), NULL);
	code = commit_roster_log(r, e);
	if (code < 0)
		roster_log_remove_command(r, id);
	else
		roster_log_set_state(r, v, VP_STATE_WIPING);
	return code;
}

int roster_record_wipe_plan(struct roster *r, struct vp *v, uint32_t slots,
			    uint32_t keys, const char *key_id, struct err *e)
{
	const char *id = *key_id ? key_id : "none";
	bool news = false;
	int code;

	for (unsigned int i = 0; i < r->n_jobs; i++) {
		struct roster_command *job = r->job[i];

		if (job->done || strcmp(job->vp, v->name) != 0 || *job->key_id)
			continue;
		journal_add_record(r->journal, "destroying", job->id,
				   ROSTER_LOG_NUMBER(slots),
				   ROSTER_LOG_NUMBER(keys), id, NULL);
		news = true;
	}
	code = news ? commit_roster_log(r, e) : 0;
	for (unsigned int i = 0; code == 0 && i < r->n_jobs; i++) {
		struct roster_command *job = r->job[i];

		if (job->done || strcmp(job->vp, v->name) != 0 || *job->key_id)
			continue;
		job->slots = slots;
		job->keys = keys;
		snprintf(job->key_id, sizeof(job->key_id), "%s", id);
	}
	return code;
}

int roster_record_incomplete(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	for (unsigned int i = 0; i < r->n_jobs; i++)
		if (!r->job[i]->done && strcmp(r->job[i]->vp, v->name) == 0)
			journal_add_record(r->journal, "incomplete",
					   r->job[i]->id, NULL);
	code = commit_roster_log(r, e);
	for (unsigned int i = 0; code == 0 && i < r->n_jobs; i++)
		if (!r->job[i]->done && strcmp(r->job[i]->vp, v->name) == 0)
			r->job[i]->incomplete = true;
	return code;
}

int roster_record_wipe_step(struct roster *r, struct vp *v, const char *step,
			    struct err *e)
{
	journal_add_record(r->journal, "step", v->name, step, NULL);
	return commit_roster_log(r, e);
}

int roster_record_wipe_bytes(struct roster *r, struct roster_command *job,
			     uint64_t bytes, const char *medium, struct err *e)
{
	int code;

	journal_add_record(r->journal, "measured", job->id,
			   ROSTER_LOG_NUMBER(bytes), medium, NULL);
	code = commit_roster_log(r, e);
	if (code < 0)
		return code;
	job->bytes = bytes;
	snprintf(job->medium, sizeof(job->medium), "%s", medium);
	return 0;
}

int roster_complete_erase(struct roster *r, struct vp *v, struct err *e)
{
	bool drop = !v->named;
	int code;

	for (unsigned int i = 0; i < r->n_jobs; i++) {
		struct roster_command *job = r->job[i];

		if (job->done || strcmp(job->vp, v->name) != 0)
			continue;
		journal_add_record(r->journal, "done", job->id, NULL);
		drop |= job->remove;
	}
	journal_add_record(r->journal, "state", v->name,
			   vp_state_name(VP_STATE_ABSENT), NULL);
	if (drop)
		journal_add_record(r->journal, "drop", v->name, NULL);
	code = commit_roster_log(r, e);
	if (code < 0)
		return code;
	for (unsigned int i = 0; i < r->n_jobs; i++)
		if (strcmp(r->job[i]->vp, v->name) == 0)
			r->job[i]->done = true;
	roster_log_set_state(r, v, VP_STATE_ABSENT);
	if (drop)
		roster_log_remove_vp(r, v);
	return 0;
}

int roster_forget_command(struct roster *r, const char *id, struct err *e)
{
	struct roster_command *job = roster_find_command(r, id);
	int code;

	if (!job)
		return 0;
	if (!job->done)
		return err_reason(e, REASON_BUSY, "forget job %s: under way",
				  id);
	journal_add_record(r->journal, "forget", id, NULL);
	code = commit_roster_log(r, e);
	if (code == 0)
		roster_log_remove_command(r, id);
	return code;
}
