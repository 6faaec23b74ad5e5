/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/roster.h"

#include "cellsd/journal.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A number as a word. */
struct word {
	char s[24];
};
#define NUM(n) (number((uint64_t)(n)).s)

static struct word number(uint64_t n)
{
	struct word w;

	snprintf(w.s, sizeof(w.s), "%" PRIu64, n);
	return w;
}

struct vp *roster_find(const struct roster *r, const char *name)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (strcmp(r->vp[i]->name, name) == 0)
			return r->vp[i];
	return NULL;
}

struct vp *roster_front(const struct roster *r)
{
	return *r->front ? roster_find(r, r->front) : NULL;
}

struct roster_job *roster_find_job(struct roster *r, const char *id)
{
	for (unsigned int i = 0; i < r->n_jobs; i++)
		if (strcmp(r->job[i]->id, id) == 0)
			return r->job[i];
	return NULL;
}

static struct vp *add_vp(struct roster *r, const char *name, struct err *e)
{
	struct vp *v = roster_find(r, name);

	if (v)
		return v;
	if (r->n == ROSTER_VPS_MAX) {
		err_reason(e, REASON_BUSY, "more than %d VPs", ROSTER_VPS_MAX);
		return NULL;
	}
	v = vp_new(name, e);
	if (v)
		r->vp[r->n++] = v;
	return v;
}

static void drop_vp(struct roster *r, struct vp *v)
{
	for (unsigned int i = 0; i < r->n; i++) {
		if (r->vp[i] != v)
			continue;
		memmove(&r->vp[i], &r->vp[i + 1],
			(r->n - i - 1) * sizeof(struct vp *));
		r->n--;
		vp_free(v);
		return;
	}
}

static struct roster_job *add_job(struct roster *r, const char *id,
				  const char *vp, bool remove, struct err *e)
{
	struct roster_job *job;

	if (r->n_jobs == ROSTER_JOBS_MAX) {
		err_reason(e, REASON_BUSY, "more than %d jobs",
			   ROSTER_JOBS_MAX);
		return NULL;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		err_oom(e, "add a job");
		return NULL;
	}
	snprintf(job->id, sizeof(job->id), "%s", id);
	snprintf(job->vp, sizeof(job->vp), "%s", vp);
	job->remove = remove;
	r->job[r->n_jobs++] = job;
	return job;
}

static void drop_job(struct roster *r, const char *id)
{
	for (unsigned int i = 0; i < r->n_jobs; i++) {
		if (strcmp(r->job[i]->id, id) != 0)
			continue;
		free(r->job[i]);
		r->job[i] = r->job[--r->n_jobs];
		return;
	}
}

/* ---- what a record does; the same for replay and for new records */

static uint64_t value(const char *word)
{
	return strtoull(word, NULL, 10);
}

static int do_boot(struct roster *r, const char *const *w, struct err *e)
{
	snprintf(r->boot, sizeof(r->boot), "%s", w[1]);
	r->front[0] = '\0';
	for (unsigned int i = 0; i < r->n; i++) {
		r->vp[i]->auto_started = false;
		if (vpstate_runs(r->vp[i]->state))
			r->vp[i]->state = VPSTATE_STOPPED;
		vp_run_free(steal(r->vp[i]->run));
	}
	return 0;
}

static int do_numbers(struct roster *r, const char *const *w, struct err *e)
{
	r->next_number = (uint32_t)value(w[1]);
	r->starts = value(w[2]);
	return 0;
}

static int do_vp(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = add_vp(r, w[1], e);

	if (!v)
		return -ENOMEM;
	v->number = (uint32_t)value(w[2]);
	v->state = VPSTATE_INSTALLED;
	if (v->number >= r->next_number)
		r->next_number = v->number + 1;
	return 0;
}

static void to_state(struct roster *r, struct vp *v, enum vpstate s)
{
	v->state = s;
	if (s == VPSTATE_ABSENT)
		v->number = 0;
	if (s == VPSTATE_ABSENT || s == VPSTATE_STOPPED ||
	    s == VPSTATE_INSTALLED)
		vp_run_free(steal(v->run));
	if (s == VPSTATE_FOREGROUND)
		snprintf(r->front, sizeof(r->front), "%s", v->name);
	else if (strcmp(r->front, v->name) == 0)
		r->front[0] = '\0';
}

static int do_state(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);
	enum vpstate s = vpstate_from_name(w[2]);

	if (!v || s == VPSTATE_COUNT)
		return err_set(e, EBADMSG, "state of VP '%s'", w[1]);
	to_state(r, v, s);
	return 0;
}

static int do_drop(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (v)
		drop_vp(r, v);
	return 0;
}

static int do_start(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "start of VP '%s'", w[1]);
	r->starts++;
	vp_run_free(v->run);
	v->run = vp_run_new(w[2]);
	if (!v->run)
		return err_oom(e, "start a VP");
	v->state = VPSTATE_BACKGROUND;
	return 0;
}

static int do_auto(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (v)
		v->auto_started = true;
	return 0;
}

static int do_front(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *old = roster_front(r), *v = roster_find(r, w[1]);

	if (old && old->state == VPSTATE_FOREGROUND)
		old->state = VPSTATE_BACKGROUND;
	r->front[0] = '\0';
	if (v)
		to_state(r, v, VPSTATE_FOREGROUND);
	r->front_generation = value(w[2]);
	return 0;
}

static int do_apply(struct roster *r, const char *const *w, struct err *e)
{
	r->apply_generation = value(w[1]);
	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		v->named = false;
		memset(v->right, 0, sizeof(v->right));
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			v->right[c].kill = true;
	}
	return 0;
}

static int do_named(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = add_vp(r, w[1], e);

	if (!v)
		return -ENOMEM;
	for (int c = 0; !v->named && c < CELLS_CLASS_COUNT; c++)
		v->right[c].kill = true;
	v->named = true;
	vp_conf_fini(&v->conf);
	return vp_conf_init(&v->conf, e);
}

static int do_conf(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "property of VP '%s'", w[1]);
	return vp_conf_set(&v->conf, w[2], w[3], e);
}

static int do_right(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);
	uint64_t c = value(w[2]);

	if (!v || c >= CELLS_CLASS_COUNT)
		return 0; /* a class of another version gives nothing */
	v->right[c].right.use = (unsigned char)value(w[3]);
	v->right[c].right.block = (unsigned char)value(w[4]);
	v->right[c].kill = value(w[5]);
	return 0;
}

static int do_job(struct roster *r, const char *const *w, struct err *e)
{
	return add_job(r, w[1], w[2], value(w[3]), e) ? 0 : -ENOMEM;
}

static int do_measured(struct roster *r, const char *const *w, struct err *e)
{
	struct roster_job *job = roster_find_job(r, w[1]);

	if (!job)
		return 0;
	job->bytes = value(w[2]);
	snprintf(job->medium, sizeof(job->medium), "%s", w[3]);
	return 0;
}

static int do_done(struct roster *r, const char *const *w, struct err *e)
{
	struct roster_job *job = roster_find_job(r, w[1]);

	if (job)
		job->done = true;
	return 0;
}

static int do_forget(struct roster *r, const char *const *w, struct err *e)
{
	drop_job(r, w[1]);
	return 0;
}

static const struct {
	const char *kind;
	unsigned int words;
	int (*fn)(struct roster *r, const char *const *w, struct err *e);
} records[] = {
	{ "boot", 2, do_boot },	  { "numbers", 3, do_numbers },
	{ "vp", 3, do_vp },	  { "state", 3, do_state },
	{ "drop", 2, do_drop },	  { "start", 3, do_start },
	{ "auto", 2, do_auto },	  { "front", 3, do_front },
	{ "apply", 2, do_apply }, { "named", 2, do_named },
	{ "conf", 4, do_conf },	  { "right", 6, do_right },
	{ "job", 4, do_job },	  { "measured", 4, do_measured },
	{ "done", 2, do_done },	  { "forget", 2, do_forget },
};

static int take_record(void *arg, const char *const *w, unsigned int n,
		       struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		if (strcmp(records[i].kind, w[0]) == 0 && records[i].words == n)
			return records[i].fn(arg, w, e);
	return err_set(e, EBADMSG, "the log has an unknown record '%.40s'",
		       w[0]);
}

/* ---- the log written anew */

static void add_conf(struct journal *j, const char *vp, const struct vp_conf *c)
{
	for (const struct vp_property *p = vp_properties; p->name; p++) {
		const void *field = (const char *)c + p->offset;
		const char *text = NULL;

		if (p->kind == VP_TEXT)
			text = *(char *const *)field;
		else if (p->kind == VP_U64)
			text = NUM(*(const uint64_t *)field);
		else if (p->kind == VP_BOOL)
			text = *(const bool *)field ? "1" : "0";
		else
			text = NUM(*(const uint32_t *)field);
		journal_add(j, "conf", vp, p->name, text, NULL);
	}
	for (uint32_t i = 0; i < c->n_layers; i++)
		journal_add(j, "conf", vp, "layer", c->layer[i], NULL);
}

static void add_rights(struct journal *j, const struct vp *v)
{
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		const struct vp_right *right = &v->right[c];

		if (right->right.use == CELLS_USE_NONE && !right->right.block &&
		    right->kill)
			continue;
		journal_add(j, "right", v->name, NUM(c), NUM(right->right.use),
			    NUM(right->right.block), right->kill ? "1" : "0",
			    NULL);
	}
}

static void add_wanted(struct journal *j, uint64_t generation,
		       struct vp *const *vp, unsigned int n)
{
	journal_add(j, "apply", NUM(generation), NULL);
	for (unsigned int i = 0; i < n; i++) {
		if (!vp[i]->named)
			continue;
		journal_add(j, "named", vp[i]->name, NULL);
		add_conf(j, vp[i]->name, &vp[i]->conf);
		add_rights(j, vp[i]);
	}
}

static void add_all(const struct roster *r)
{
	struct journal *j = r->journal;

	journal_add(j, "boot", r->boot, NULL);
	journal_add(j, "numbers", NUM(r->next_number), NUM(r->starts), NULL);
	for (unsigned int i = 0; i < r->n; i++) {
		const struct vp *v = r->vp[i];

		if (!v->number) /* wished for, and absent */
			continue;
		journal_add(j, "vp", v->name, NUM(v->number), NULL);
		if (v->run)
			journal_add(j, "start", v->name, v->run->leaf_name,
				    NULL);
		if (v->auto_started)
			journal_add(j, "auto", v->name, NULL);
		journal_add(j, "state", v->name, vpstate_name(v->state), NULL);
	}
	/* "start" counted again. */
	journal_add(j, "numbers", NUM(r->next_number), NUM(r->starts), NULL);
	add_wanted(j, r->apply_generation, r->vp, r->n);
	journal_add(j, "front", r->front, NUM(r->front_generation), NULL);
	for (unsigned int i = 0; i < r->n_jobs; i++) {
		const struct roster_job *job = r->job[i];

		journal_add(j, "job", job->id, job->vp, job->remove ? "1" : "0",
			    NULL);
		journal_add(j, "measured", job->id, NUM(job->bytes),
			    job->medium, NULL);
		if (job->done)
			journal_add(j, "done", job->id, NULL);
	}
}

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
	code = journal_open(path, take_record, r, &r->journal, e);
	if (code < 0)
		return code;
	if (strcmp(r->boot, boot) != 0) {
		journal_add(r->journal, "boot", boot, NULL);
		code = journal_commit(r->journal, e);
		if (code == 0)
			code = do_boot(r, words, e);
	}
	if (code == 0 && journal_is_long(r->journal)) {
		add_all(r);
		code = journal_rewrite(r->journal, e);
	}
	if (code < 0)
		return code;
	*ret = steal(r);
	return 0;
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < r->n; i++)
		vp_free(r->vp[i]);
	for (unsigned int i = 0; i < r->n_jobs; i++)
		free(r->job[i]);
	journal_close(r->journal);
	free(r);
}

/* ---- changes */

/* Does to memory what the record in the log says, or keeps both as they are. */
static int commit(struct roster *r, struct err *e)
{
	return journal_commit(r->journal, e);
}

void roster_wish_fini(struct roster_wish *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		vp_free(w->vp[i]);
	w->n = 0;
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
			    NUM(w->vp[i]->number), NULL);
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
	add_wanted(r->journal, w->generation, w->vp, w->n);
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
	code = commit(r, e);
	if (code == 0)
		to_state(r, v, next);
	return code;
}

int roster_start(struct roster *r, struct vp *v, char leaf[VP_LEAF_SIZE],
		 struct err *e)
{
	struct vp_run *run;
	int code;

	if (vpstate_next(v->state, VPEVENT_START) != VPSTATE_BACKGROUND ||
	    v->run)
		return refuse(v, VPEVENT_START, e);
	snprintf(leaf, VP_LEAF_SIZE, "%s-%u-%" PRIu64, v->name, v->number,
		 r->starts + 1);
	run = vp_run_new(leaf);
	if (!run)
		return err_oom(e, "start a VP");
	journal_add(r->journal, "start", v->name, leaf, NULL);
	code = commit(r, e);
	if (code < 0) {
		vp_run_free(run);
		return code;
	}
	r->starts++;
	v->run = run;
	v->state = VPSTATE_BACKGROUND;
	return 0;
}

int roster_auto_start(struct roster *r, struct vp *v, struct err *e)
{
	int code;

	journal_add(r->journal, "auto", v->name, NULL);
	code = commit(r, e);
	if (code == 0)
		v->auto_started = true;
	return code;
}

int roster_set_front(struct roster *r, struct vp *v, struct err *e)
{
	const char *name = v ? v->name : "";
	struct word generation = number(r->front_generation + 1);
	const char *words[] = { "front", name, generation.s };
	int code;

	if (v && vpstate_next(v->state, VPEVENT_FRONT) == VPSTATE_COUNT)
		return refuse(v, VPEVENT_FRONT, e);
	journal_add(r->journal, "front", name, generation.s, NULL);
	code = commit(r, e);
	return code < 0 ? code : do_front(r, words, e);
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
	job = add_job(r, id, v->name, remove, e);
	if (!job)
		return -ENOMEM;
	journal_add(r->journal, "job", id, v->name, remove ? "1" : "0", NULL);
	journal_add(r->journal, "state", v->name, vpstate_name(VPSTATE_WIPING),
		    NULL);
	code = commit(r, e);
	if (code < 0)
		drop_job(r, id);
	else
		to_state(r, v, VPSTATE_WIPING);
	return code;
}

int roster_measured(struct roster *r, struct roster_job *job, uint64_t bytes,
		    const char *medium, struct err *e)
{
	int code;

	journal_add(r->journal, "measured", job->id, NUM(bytes), medium, NULL);
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
	to_state(r, v, VPSTATE_ABSENT);
	if (drop)
		drop_vp(r, v);
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
		drop_job(r, id);
	return code;
}
