/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp_table.h"

#include "cellsd/vp/journal.h"
#include "cellsd/vp/vp_table_log.h"
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

int vp_table_open(const char *path, const char *boot, struct vp_table **ret,
		  struct err *e)
{
	AUTO(vp_table_freep) struct vp_table *r = calloc(1, sizeof(*r));
	const char *words[] = { "boot", boot };
	int code;

	if (!r)
		return err_oom(e, path);
	r->next_number = VP_RANGE_FIRST;
	code = journal_open(path, vp_table_log_apply_record, r, &r->journal, e);
	if (code < 0)
		return code;
	if (strcmp(r->boot, boot) != 0) {
		journal_add_record(r->journal, "boot", boot, NULL);
		code = journal_commit_batch(r->journal, e);
		if (code == 0)
			code = vp_table_log_apply_record(r, words, 2, e);
	}
	if (code == 0 && journal_needs_rewrite(r->journal)) {
		vp_table_log_write_all(r);
		code = journal_rewrite(r->journal, e);
	}
	if (code < 0)
		return code;
	*ret = steal(r);
	return 0;
}

void vp_table_compact_log(struct vp_table *r)
{
	struct err ignored;

	if (!journal_needs_rewrite(r->journal))
		return;
	vp_table_log_write_all(r);
	journal_rewrite(r->journal, &ignored);
}

/* ---- changes */

/* Commits the batch. The caller changes memory only if this succeeded. */
static int commit_vp_table_log(struct vp_table *r, struct err *e)
{
	return journal_commit_batch(r->journal, e);
}

/* A desired VP without data is installed: it gets a range. */
static int assign_id_ranges(struct vp_table *r, struct vp_table_desired *w,
			    struct err *e)
{
	uint32_t next = r->next_number;

	for (unsigned int i = 0; i < w->n; i++) {
		struct vp *old = vp_table_find_vp(r, w->vp[i]->name);

		if (old && old->number)
			continue;
		if (next > VP_RANGE_LAST)
			return err_reason(e, REASON_BUSY,
					  "install VP %s: no range of ids is "
					  "left",
					  w->vp[i]->name);
		w->vp[i]->number = next++;
		journal_add_record(r->journal, "vp", w->vp[i]->name,
				   VP_TABLE_LOG_NUMBER(w->vp[i]->number), NULL);
	}
	return 0;
}

/* The desired order, then those that are kept. Cannot fail: there is room. */
static void adopt_desired_vps(struct vp_table *r, struct vp_table_desired *w)
{
	struct vp *kept[VPS_MAX];
	unsigned int n_kept = 0, n = 0;

	for (unsigned int i = 0; i < r->n; i++) {
		r->vp[i]->is_desired = false;
		memset(r->vp[i]->right, 0, sizeof(r->vp[i]->right));
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			r->vp[i]->right[c].kill = true;
	}
	for (unsigned int i = 0; i < w->n; i++) {
		struct vp *desired = w->vp[i],
			  *old = vp_table_find_vp(r, desired->name);

		if (!old)
			continue;
		if (!vp_conf_equal(&old->conf, &desired->conf))
			old->edition++;
		vp_conf_fini(&old->conf);
		old->conf = desired->conf;
		memset(&desired->conf, 0, sizeof(desired->conf));
		memcpy(old->right, desired->right, sizeof(old->right));
		old->is_desired = true;
		if (desired->number) {
			old->number = desired->number;
			old->state = VP_STATE_INSTALLED;
			r->next_number = desired->number + 1;
		}
		vp_free(desired);
		w->vp[i] = old;
	}
	for (unsigned int i = 0; i < r->n; i++)
		if (!r->vp[i]->is_desired)
			kept[n_kept++] = r->vp[i];
	for (unsigned int i = 0; i < w->n; i++) {
		if (!w->vp[i]->is_desired) { /* new */
			w->vp[i]->is_desired = true;
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

static unsigned int count_vps_after_apply(const struct vp_table *r,
					  const struct vp_table_desired *w)
{
	unsigned int n = w->n;

	for (unsigned int i = 0; i < r->n; i++) {
		bool is_desired = false;

		for (unsigned int k = 0; k < w->n; k++)
			is_desired |=
				strcmp(w->vp[k]->name, r->vp[i]->name) == 0;
		n += !is_desired && r->vp[i]->number;
	}
	return n;
}

int vp_table_apply_desired(struct vp_table *r, struct vp_table_desired *w,
			   struct err *e)
{
	int code;

	if (count_vps_after_apply(r, w) > VPS_MAX)
		return err_reason(e, REASON_BUSY, "more than %d VPs", VPS_MAX);
	for (unsigned int i = 0; i < w->n; i++)
		w->vp[i]->is_desired = true;
	code = assign_id_ranges(r, w, e);
	if (code < 0) {
		journal_discard_batch(r->journal);
		return code;
	}
	vp_table_log_write_desired(r->journal, w->generation, w->vp, w->n);
	code = commit_vp_table_log(r, e);
	if (code < 0)
		return code;
	for (unsigned int i = 0; i < w->n; i++)
		w->vp[i]->is_desired = false;
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

int vp_table_apply_event(struct vp_table *r, struct vp *v, enum vp_event ev,
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
				  : commit_vp_table_log(r, e);
	if (code == 0)
		vp_table_log_set_state(r, v, next);
	return code;
}

static bool is_start_allowed(const struct vp *v)
{
	return vp_state_after_event(v->state, VP_EVENT_START) ==
		       VP_STATE_BACKGROUND &&
	       !v->run;
}

int vp_table_record_prepare(struct vp_table *r, struct vp *v, struct err *e)
{
	char cgroup[VP_CGROUP_SIZE];
	struct vp_run *run;
	int code;

	if (!is_start_allowed(v))
		return set_state_error(v, VP_EVENT_START, e);
	assert(!v->prepared);
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
	v->prepared = run;
	return 0;
}

int vp_table_record_start(struct vp_table *r, struct vp *v, struct err *e)
{
	int code;

	if (!is_start_allowed(v))
		return set_state_error(v, VP_EVENT_START, e);
	assert(v->prepared);
	journal_add_record(r->journal, "start", v->name,
			   v->prepared->cgroup_name, NULL);
	code = journal_commit_unsynced(r->journal, e);
	if (code < 0)
		return code;
	v->run = steal(v->prepared);
	v->state = VP_STATE_BACKGROUND;
	return 0;
}

int vp_table_record_auto_start(struct vp_table *r, struct vp *v, struct err *e)
{
	int code;

	journal_add_record(r->journal, "auto", v->name, NULL);
	code = journal_commit_unsynced(r->journal, e);
	if (code == 0)
		v->auto_started = true;
	return code;
}

int vp_table_set_foreground(struct vp_table *r, struct vp *v, struct err *e)
{
	const char *name = v ? v->name : "";
	struct vp_table_log_word generation =
		vp_table_log_format_number(r->front_generation + 1);
	const char *words[] = { "front", name, generation.s };
	int code;

	if (v && vp_state_after_event(v->state, VP_EVENT_FOREGROUND) ==
			 VP_STATE_COUNT)
		return set_state_error(v, VP_EVENT_FOREGROUND, e);
	journal_add_record(r->journal, "front", name, generation.s, NULL);
	code = journal_commit_unsynced(r->journal, e);
	return code < 0 ? code : vp_table_log_apply_record(r, words, 3, e);
}

int vp_table_add_command(struct vp_table *r, struct vp *v, const char *id,
			 bool remove, struct err *e)
{
	struct vp_table_command *command;
	int code;

	if (vp_state_after_event(v->state, VP_EVENT_WIPE) != VP_STATE_WIPING)
		return set_state_error(v, VP_EVENT_WIPE, e);
	if (strlen(id) >= VP_TABLE_COMMAND_SIZE)
		return err_set(e, EINVAL, "job id too long");
	command = vp_table_log_add_command(r, id, v->name, remove, e);
	if (!command)
		return -ENOMEM;
	journal_add_record(r->journal, "job", id, v->name, remove ? "1" : "0",
			   NULL);
	journal_add_record(r->journal, "state", v->name,
			   vp_state_name(VP_STATE_WIPING), NULL);
	code = commit_vp_table_log(r, e);
	if (code < 0)
		vp_table_log_remove_command(r, id);
	else
		vp_table_log_set_state(r, v, VP_STATE_WIPING);
	return code;
}

int vp_table_record_wipe_plan(struct vp_table *r, struct vp *v, uint32_t slots,
			      uint32_t keys, const char *key_id, struct err *e)
{
	const char *id = *key_id ? key_id : "none";
	bool news = false;
	int code;

	for (unsigned int i = 0; i < r->n_commands; i++) {
		struct vp_table_command *command = r->command[i];

		if (command->done || strcmp(command->vp, v->name) != 0 ||
		    *command->key_id)
			continue;
		journal_add_record(r->journal, "destroying", command->id,
				   VP_TABLE_LOG_NUMBER(slots),
				   VP_TABLE_LOG_NUMBER(keys), id, NULL);
		news = true;
	}
	code = news ? commit_vp_table_log(r, e) : 0;
	for (unsigned int i = 0; code == 0 && i < r->n_commands; i++) {
		struct vp_table_command *command = r->command[i];

		if (command->done || strcmp(command->vp, v->name) != 0 ||
		    *command->key_id)
			continue;
		command->slots = slots;
		command->keys = keys;
		snprintf(command->key_id, sizeof(command->key_id), "%s", id);
	}
	return code;
}

int vp_table_record_incomplete(struct vp_table *r, struct vp *v, struct err *e)
{
	int code;

	for (unsigned int i = 0; i < r->n_commands; i++)
		if (!r->command[i]->done &&
		    strcmp(r->command[i]->vp, v->name) == 0)
			journal_add_record(r->journal, "incomplete",
					   r->command[i]->id, NULL);
	code = commit_vp_table_log(r, e);
	for (unsigned int i = 0; code == 0 && i < r->n_commands; i++)
		if (!r->command[i]->done &&
		    strcmp(r->command[i]->vp, v->name) == 0)
			r->command[i]->incomplete = true;
	return code;
}

int vp_table_record_wipe_step(struct vp_table *r, struct vp *v,
			      const char *step, struct err *e)
{
	journal_add_record(r->journal, "step", v->name, step, NULL);
	return commit_vp_table_log(r, e);
}

int vp_table_record_wipe_bytes(struct vp_table *r,
			       struct vp_table_command *command, uint64_t bytes,
			       const char *medium, struct err *e)
{
	int code;

	journal_add_record(r->journal, "measured", command->id,
			   VP_TABLE_LOG_NUMBER(bytes), medium, NULL);
	code = commit_vp_table_log(r, e);
	if (code < 0)
		return code;
	command->bytes = bytes;
	snprintf(command->medium, sizeof(command->medium), "%s", medium);
	return 0;
}

int vp_table_complete_erase(struct vp_table *r, struct vp *v, struct err *e)
{
	bool drop = !v->is_desired;
	int code;

	for (unsigned int i = 0; i < r->n_commands; i++) {
		struct vp_table_command *command = r->command[i];

		if (command->done || strcmp(command->vp, v->name) != 0)
			continue;
		journal_add_record(r->journal, "done", command->id, NULL);
		drop |= command->remove;
	}
	journal_add_record(r->journal, "state", v->name,
			   vp_state_name(VP_STATE_ABSENT), NULL);
	if (drop)
		journal_add_record(r->journal, "drop", v->name, NULL);
	code = commit_vp_table_log(r, e);
	if (code < 0)
		return code;
	for (unsigned int i = 0; i < r->n_commands; i++)
		if (strcmp(r->command[i]->vp, v->name) == 0)
			r->command[i]->done = true;
	vp_table_log_set_state(r, v, VP_STATE_ABSENT);
	if (drop)
		vp_table_log_remove_vp(r, v);
	return 0;
}

int vp_table_forget_command(struct vp_table *r, const char *id, struct err *e)
{
	struct vp_table_command *command = vp_table_find_command(r, id);
	int code;

	if (!command)
		return 0;
	if (!command->done)
		return err_reason(e, REASON_BUSY, "forget job %s: under way",
				  id);
	journal_add_record(r->journal, "forget", id, NULL);
	code = commit_vp_table_log(r, e);
	if (code == 0)
		vp_table_log_remove_command(r, id);
	return code;
}
