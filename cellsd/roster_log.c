/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/roster_log.h"

#include "cellsd/journal.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rosterlog_word rosterlog_number(uint64_t n)
{
	struct rosterlog_word w;

	snprintf(w.s, sizeof(w.s), "%" PRIu64, n);
	return w;
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

void rosterlog_drop_vp(struct roster *r, struct vp *v)
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

struct roster_job *rosterlog_add_job(struct roster *r, const char *id,
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

void rosterlog_drop_job(struct roster *r, const char *id)
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
		vp_run_free(steal(r->vp[i]->ready));
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

void rosterlog_set_state(struct roster *r, struct vp *v, enum vpstate s)
{
	v->state = s;
	v->shredding = false;
	if (s == VPSTATE_ABSENT) {
		v->number = 0;
		v->auto_started = false; /* the next is a new VP */
	}
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
	rosterlog_set_state(r, v, s);
	return 0;
}

static int do_drop(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (v)
		rosterlog_drop_vp(r, v);
	return 0;
}

/* That it was undone is not in the log: of an undone one nothing is found. */
static int do_prepare(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "preparation of VP '%s'", w[1]);
	r->starts++;
	/* It had ended, or it would not have been prepared. */
	vp_run_free(steal(v->run));
	vp_run_free(v->ready);
	v->ready = vp_run_new(w[2]);
	return v->ready ? 0 : err_oom(e, "prepare a VP");
}

static int do_start(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "start of VP '%s'", w[1]);
	/* It was counted when it was prepared. */
	if (!v->ready)
		r->starts++;
	vp_run_free(steal(v->ready));
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
		rosterlog_set_state(r, v, VPSTATE_FOREGROUND);
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

/* The VPs that are wished for stand first, in the wish's order. */
static void move_up(struct roster *r, struct vp *v)
{
	unsigned int to = 0, at = 0;

	while (r->vp[to] != v && r->vp[to]->named)
		to++;
	while (r->vp[at] != v)
		at++;
	if (at < to)
		return;
	memmove(&r->vp[to + 1], &r->vp[to], (at - to) * sizeof(v));
	r->vp[to] = v;
}

static int do_named(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = add_vp(r, w[1], e);

	if (!v)
		return -ENOMEM;
	for (int c = 0; !v->named && c < CELLS_CLASS_COUNT; c++)
		v->right[c].kill = true;
	if (!v->named)
		move_up(r, v);
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
	return rosterlog_add_job(r, w[1], w[2], value(w[3]), e) ? 0 : -ENOMEM;
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

static int do_destroying(struct roster *r, const char *const *w, struct err *e)
{
	struct roster_job *job = roster_find_job(r, w[1]);

	if (!job)
		return 0;
	job->slots = (uint32_t)value(w[2]);
	job->keys = (uint32_t)value(w[3]);
	snprintf(job->key_id, sizeof(job->key_id), "%s", w[4]);
	return 0;
}

static int do_incomplete(struct roster *r, const char *const *w, struct err *e)
{
	struct roster_job *job = roster_find_job(r, w[1]);

	if (job)
		job->incomplete = true;
	return 0;
}

/* For people who read the log: each step can be done again, but that half
 * destroyed slots do not tell which key was evicted before. */
static int do_step(struct roster *r, const char *const *w, struct err *e)
{
	struct vp *v = roster_find(r, w[1]);

	if (v && strcmp(w[2], "shred") == 0)
		v->shredding = true;
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
	rosterlog_drop_job(r, w[1]);
	return 0;
}

static const struct {
	const char *kind;
	unsigned int words;
	int (*fn)(struct roster *r, const char *const *w, struct err *e);
} records[] = {
	{ "boot", 2, do_boot },
	{ "numbers", 3, do_numbers },
	{ "vp", 3, do_vp },
	{ "state", 3, do_state },
	{ "drop", 2, do_drop },
	{ "prepare", 3, do_prepare },
	{ "start", 3, do_start },
	{ "auto", 2, do_auto },
	{ "front", 3, do_front },
	{ "apply", 2, do_apply },
	{ "named", 2, do_named },
	{ "conf", 4, do_conf },
	{ "right", 6, do_right },
	{ "job", 4, do_job },
	{ "measured", 4, do_measured },
	{ "destroying", 5, do_destroying },
	{ "incomplete", 2, do_incomplete },
	{ "step", 3, do_step },
	{ "done", 2, do_done },
	{ "forget", 2, do_forget },
};

int rosterlog_take(void *arg, const char *const *w, unsigned int n,
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
			text = ROSTERLOG_NUMBER(*(const uint64_t *)field);
		else if (p->kind == VP_BOOL)
			text = *(const bool *)field ? "1" : "0";
		else
			text = ROSTERLOG_NUMBER(*(const uint32_t *)field);
		journal_add(j, "conf", vp, p->name, text, NULL);
	}
	for (uint32_t i = 0; i < c->n_layers; i++)
		journal_add(j, "conf", vp, "layer", c->layer[i], NULL);
	for (uint32_t i = 0; i < c->n_allow; i++) {
		const struct vp_allow *a = &c->allow[i];
		char text[64];

		snprintf(text, sizeof(text), "%u %u %u %u", a->address,
			 a->prefix, a->protocol, a->port);
		journal_add(j, "conf", vp, "allow", text, NULL);
	}
}

static void add_rights(struct journal *j, const struct vp *v)
{
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		const struct vp_right *right = &v->right[c];

		if (right->right.use == CELLS_USE_NONE && !right->right.block &&
		    right->kill)
			continue;
		journal_add(j, "right", v->name, ROSTERLOG_NUMBER(c),
			    ROSTERLOG_NUMBER(right->right.use),
			    ROSTERLOG_NUMBER(right->right.block),
			    right->kill ? "1" : "0", NULL);
	}
}

void rosterlog_write_wanted(struct journal *j, uint64_t generation,
			    struct vp *const *vp, unsigned int n)
{
	journal_add(j, "apply", ROSTERLOG_NUMBER(generation), NULL);
	for (unsigned int i = 0; i < n; i++) {
		if (!vp[i]->named)
			continue;
		journal_add(j, "named", vp[i]->name, NULL);
		add_conf(j, vp[i]->name, &vp[i]->conf);
		add_rights(j, vp[i]);
	}
}

void rosterlog_write_all(const struct roster *r)
{
	struct journal *j = r->journal;

	journal_add(j, "boot", r->boot, NULL);
	journal_add(j, "numbers", ROSTERLOG_NUMBER(r->next_number),
		    ROSTERLOG_NUMBER(r->starts), NULL);
	for (unsigned int i = 0; i < r->n; i++) {
		const struct vp *v = r->vp[i];

		if (!v->number) /* wished for, and absent */
			continue;
		journal_add(j, "vp", v->name, ROSTERLOG_NUMBER(v->number),
			    NULL);
		if (v->run)
			journal_add(j, "start", v->name, v->run->leaf_name,
				    NULL);
		if (v->ready)
			journal_add(j, "prepare", v->name, v->ready->leaf_name,
				    NULL);
		if (v->auto_started)
			journal_add(j, "auto", v->name, NULL);
		journal_add(j, "state", v->name, vpstate_name(v->state), NULL);
		if (v->shredding)
			journal_add(j, "step", v->name, "shred", NULL);
	}
	/* "start" and "prepare" counted again. */
	journal_add(j, "numbers", ROSTERLOG_NUMBER(r->next_number),
		    ROSTERLOG_NUMBER(r->starts), NULL);
	rosterlog_write_wanted(j, r->apply_generation, r->vp, r->n);
	journal_add(j, "front", r->front, ROSTERLOG_NUMBER(r->front_generation),
		    NULL);
	for (unsigned int i = 0; i < r->n_jobs; i++) {
		const struct roster_job *job = r->job[i];

		journal_add(j, "job", job->id, job->vp, job->remove ? "1" : "0",
			    NULL);
		journal_add(j, "measured", job->id,
			    ROSTERLOG_NUMBER(job->bytes), job->medium, NULL);
		if (*job->key_id)
			journal_add(j, "destroying", job->id,
				    ROSTERLOG_NUMBER(job->slots),
				    ROSTERLOG_NUMBER(job->keys), job->key_id,
				    NULL);
		if (job->incomplete)
			journal_add(j, "incomplete", job->id, NULL);
		if (job->done)
			journal_add(j, "done", job->id, NULL);
	}
}
