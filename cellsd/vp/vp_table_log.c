/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp_table_log.h"

#include "cellsd/vp/journal.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vp_table_log_word vp_table_log_format_number(uint64_t n)
{
	struct vp_table_log_word w;

	snprintf(w.s, sizeof(w.s), "%" PRIu64, n);
	return w;
}

static struct vp *find_or_add_vp(struct vp_table *r, const char *name,
				 struct err *e)
{
	struct vp *v = vp_table_find_vp(r, name);

	if (v)
		return v;
	if (r->n == VPS_MAX) {
		err_reason(e, REASON_BUSY, "more than %d VPs", VPS_MAX);
		return NULL;
	}
	v = vp_new(name, e);
	if (v)
		r->vp[r->n++] = v;
	return v;
}

void vp_table_log_remove_vp(struct vp_table *r, struct vp *v)
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

struct vp_table_command *vp_table_log_add_command(struct vp_table *r,
						  const char *id,
						  const char *vp, bool remove,
						  struct err *e)
{
	struct vp_table_command *command;

	if (r->n_commands == VP_TABLE_COMMANDS_MAX) {
		err_reason(e, REASON_BUSY, "more than %d jobs",
			   VP_TABLE_COMMANDS_MAX);
		return NULL;
	}
	command = calloc(1, sizeof(*command));
	if (!command) {
		err_oom(e, "add a job");
		return NULL;
	}
	snprintf(command->id, sizeof(command->id), "%s", id);
	snprintf(command->vp, sizeof(command->vp), "%s", vp);
	command->remove = remove;
	r->command[r->n_commands++] = command;
	return command;
}

void vp_table_log_remove_command(struct vp_table *r, const char *id)
{
	for (unsigned int i = 0; i < r->n_commands; i++) {
		if (strcmp(r->command[i]->id, id) != 0)
			continue;
		free(r->command[i]);
		r->command[i] = r->command[--r->n_commands];
		return;
	}
}

/* ---- what a record does; the same for replay and for new records */

static uint64_t parse_record_number(const char *word)
{
	return strtoull(word, NULL, 10);
}

static int apply_boot_record(struct vp_table *r, const char *const *w,
			     struct err *e)
{
	snprintf(r->boot, sizeof(r->boot), "%s", w[1]);
	r->foreground[0] = '\0';
	for (unsigned int i = 0; i < r->n; i++) {
		r->vp[i]->auto_started = false;
		if (vp_state_is_running(r->vp[i]->state))
			r->vp[i]->state = VP_STATE_STOPPED;
		vp_run_free(steal(r->vp[i]->run));
		vp_run_free(steal(r->vp[i]->prepared));
	}
	return 0;
}

static int apply_numbers_record(struct vp_table *r, const char *const *w,
				struct err *e)
{
	r->next_number = (uint32_t)parse_record_number(w[1]);
	r->starts = parse_record_number(w[2]);
	return 0;
}

static int apply_vp_record(struct vp_table *r, const char *const *w,
			   struct err *e)
{
	struct vp *v = find_or_add_vp(r, w[1], e);

	if (!v)
		return -ENOMEM;
	v->number = (uint32_t)parse_record_number(w[2]);
	v->state = VP_STATE_INSTALLED;
	if (v->number >= r->next_number)
		r->next_number = v->number + 1;
	return 0;
}

void vp_table_log_set_state(struct vp_table *r, struct vp *v, enum vp_state s)
{
	v->state = s;
	v->shredding = false;
	if (s == VP_STATE_ABSENT) {
		v->number = 0;
		v->auto_started = false; /* the next is a new VP */
	}
	if (s == VP_STATE_ABSENT || s == VP_STATE_STOPPED ||
	    s == VP_STATE_INSTALLED)
		vp_run_free(steal(v->run));
	if (s == VP_STATE_FOREGROUND)
		snprintf(r->foreground, sizeof(r->foreground), "%s", v->name);
	else if (strcmp(r->foreground, v->name) == 0)
		r->foreground[0] = '\0';
}

static int apply_state_record(struct vp_table *r, const char *const *w,
			      struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);
	enum vp_state s = vp_state_parse(w[2]);

	if (!v || s == VP_STATE_COUNT)
		return err_set(e, EBADMSG, "state of VP '%s'", w[1]);
	vp_table_log_set_state(r, v, s);
	return 0;
}

static int apply_drop_record(struct vp_table *r, const char *const *w,
			     struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);

	if (v)
		vp_table_log_remove_vp(r, v);
	return 0;
}

/* That it was undone is not in the log: of an undone one nothing is found. */
static int apply_prepare_record(struct vp_table *r, const char *const *w,
				struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "preparation of VP '%s'", w[1]);
	r->starts++;
	/* It had ended, or it would not have been prepared. */
	vp_run_free(steal(v->run));
	vp_run_free(v->prepared);
	v->prepared = vp_run_new(w[2]);
	return v->prepared ? 0 : err_oom(e, "prepare a VP");
}

static int apply_start_record(struct vp_table *r, const char *const *w,
			      struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "start of VP '%s'", w[1]);
	/* It was counted when it was prepared. */
	if (!v->prepared)
		r->starts++;
	vp_run_free(steal(v->prepared));
	vp_run_free(v->run);
	v->run = vp_run_new(w[2]);
	if (!v->run)
		return err_oom(e, "start a VP");
	v->state = VP_STATE_BACKGROUND;
	return 0;
}

static int apply_auto_record(struct vp_table *r, const char *const *w,
			     struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);

	if (v)
		v->auto_started = true;
	return 0;
}

static int apply_front_record(struct vp_table *r, const char *const *w,
			      struct err *e)
{
	struct vp *old = vp_table_get_foreground(r),
		  *v = vp_table_find_vp(r, w[1]);

	if (old && old->state == VP_STATE_FOREGROUND)
		old->state = VP_STATE_BACKGROUND;
	r->foreground[0] = '\0';
	if (v)
		vp_table_log_set_state(r, v, VP_STATE_FOREGROUND);
	r->front_generation = parse_record_number(w[2]);
	return 0;
}

static int apply_generation_record(struct vp_table *r, const char *const *w,
				   struct err *e)
{
	r->apply_generation = parse_record_number(w[1]);
	for (unsigned int i = 0; i < r->n; i++) {
		struct vp *v = r->vp[i];

		v->is_desired = false;
		memset(v->right, 0, sizeof(v->right));
		for (int c = 0; c < CELLS_CLASS_COUNT; c++)
			v->right[c].kill = true;
	}
	return 0;
}

/* The VPs that are desired come first, in that order. */
static void move_vp_to_desired_order(struct vp_table *r, struct vp *v)
{
	unsigned int to = 0, at = 0;

	while (r->vp[to] != v && r->vp[to]->is_desired)
		to++;
	while (r->vp[at] != v)
		at++;
	if (at < to)
		return;
	memmove(&r->vp[to + 1], &r->vp[to], (at - to) * sizeof(v));
	r->vp[to] = v;
}

static int apply_named_record(struct vp_table *r, const char *const *w,
			      struct err *e)
{
	struct vp *v = find_or_add_vp(r, w[1], e);

	if (!v)
		return -ENOMEM;
	for (int c = 0; !v->is_desired && c < CELLS_CLASS_COUNT; c++)
		v->right[c].kill = true;
	if (!v->is_desired)
		move_vp_to_desired_order(r, v);
	v->is_desired = true;
	vp_conf_fini(&v->conf);
	return vp_conf_init(&v->conf, e);
}

static int apply_conf_record(struct vp_table *r, const char *const *w,
			     struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);

	if (!v)
		return err_set(e, EBADMSG, "property of VP '%s'", w[1]);
	return vp_conf_set_property(&v->conf, w[2], w[3], e);
}

static int apply_right_record(struct vp_table *r, const char *const *w,
			      struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);
	uint64_t c = parse_record_number(w[2]);

	if (!v || c >= CELLS_CLASS_COUNT)
		return 0; /* a class of another version gives nothing */
	v->right[c].right.use = (unsigned char)parse_record_number(w[3]);
	v->right[c].right.block = (unsigned char)parse_record_number(w[4]);
	v->right[c].kill = parse_record_number(w[5]);
	return 0;
}

static int apply_command_record(struct vp_table *r, const char *const *w,
				struct err *e)
{
	return vp_table_log_add_command(r, w[1], w[2],
					parse_record_number(w[3]), e)
		       ? 0
		       : -ENOMEM;
}

static int apply_measured_record(struct vp_table *r, const char *const *w,
				 struct err *e)
{
	struct vp_table_command *command = vp_table_find_command(r, w[1]);

	if (!command)
		return 0;
	command->bytes = parse_record_number(w[2]);
	snprintf(command->medium, sizeof(command->medium), "%s", w[3]);
	return 0;
}

static int apply_destroying_record(struct vp_table *r, const char *const *w,
				   struct err *e)
{
	struct vp_table_command *command = vp_table_find_command(r, w[1]);

	if (!command)
		return 0;
	command->slots = (uint32_t)parse_record_number(w[2]);
	command->keys = (uint32_t)parse_record_number(w[3]);
	snprintf(command->key_id, sizeof(command->key_id), "%s", w[4]);
	return 0;
}

static int apply_incomplete_record(struct vp_table *r, const char *const *w,
				   struct err *e)
{
	struct vp_table_command *command = vp_table_find_command(r, w[1]);

	if (command)
		command->incomplete = true;
	return 0;
}

/* For people who read the log: each step can be done again, but that half
 * destroyed slots do not say which key was evicted before. */
static int apply_step_record(struct vp_table *r, const char *const *w,
			     struct err *e)
{
	struct vp *v = vp_table_find_vp(r, w[1]);

	if (v && strcmp(w[2], "shred") == 0)
		v->shredding = true;
	return 0;
}

static int apply_done_record(struct vp_table *r, const char *const *w,
			     struct err *e)
{
	struct vp_table_command *command = vp_table_find_command(r, w[1]);

	if (command)
		command->done = true;
	return 0;
}

static int apply_forget_record(struct vp_table *r, const char *const *w,
			       struct err *e)
{
	vp_table_log_remove_command(r, w[1]);
	return 0;
}

static const struct {
	const char *kind;
	unsigned int words;
	int (*fn)(struct vp_table *r, const char *const *w, struct err *e);
} records[] = {
	{ "boot", 2, apply_boot_record },
	{ "numbers", 3, apply_numbers_record },
	{ "vp", 3, apply_vp_record },
	{ "state", 3, apply_state_record },
	{ "drop", 2, apply_drop_record },
	{ "prepare", 3, apply_prepare_record },
	{ "start", 3, apply_start_record },
	{ "auto", 2, apply_auto_record },
	{ "front", 3, apply_front_record },
	{ "apply", 2, apply_generation_record },
	{ "named", 2, apply_named_record },
	{ "conf", 4, apply_conf_record },
	{ "right", 6, apply_right_record },
	{ "job", 4, apply_command_record },
	{ "measured", 4, apply_measured_record },
	{ "destroying", 5, apply_destroying_record },
	{ "incomplete", 2, apply_incomplete_record },
	{ "step", 3, apply_step_record },
	{ "done", 2, apply_done_record },
	{ "forget", 2, apply_forget_record },
};

int vp_table_log_apply_record(void *arg, const char *const *w, unsigned int n,
			      struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		if (strcmp(records[i].kind, w[0]) == 0 && records[i].words == n)
			return records[i].fn(arg, w, e);
	return err_set(e, EBADMSG, "the log has an unknown record '%.40s'",
		       w[0]);
}

/* ---- the log rewritten */

static void write_conf_records(struct journal *j, const char *vp,
			       const struct vp_conf *c)
{
	for (const struct vp_property *p = vp_properties; p->name; p++) {
		const void *field = (const char *)c + p->offset;
		const char *text = NULL;

		if (p->kind == VP_TEXT)
			text = *(char *const *)field;
		else if (p->kind == VP_U64)
			text = VP_TABLE_LOG_NUMBER(*(const uint64_t *)field);
		else if (p->kind == VP_BOOL)
			text = *(const bool *)field ? "1" : "0";
		else
			text = VP_TABLE_LOG_NUMBER(*(const uint32_t *)field);
		journal_add_record(j, "conf", vp, p->name, text, NULL);
	}
	for (uint32_t i = 0; i < c->n_layers; i++)
		journal_add_record(j, "conf", vp, "layer", c->layer[i], NULL);
	for (uint32_t i = 0; i < c->n_allow; i++) {
		const struct firewall_allow *a = &c->allow[i];
		char text[64];

		snprintf(text, sizeof(text), "%u %u %u %u", a->address,
			 a->prefix, a->protocol, a->port);
		journal_add_record(j, "conf", vp, "allow", text, NULL);
	}
}

static void write_right_records(struct journal *j, const struct vp *v)
{
	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		const struct vp_right *right = &v->right[c];

		if (right->right.use == CELLS_USE_NONE && !right->right.block &&
		    right->kill)
			continue;
		journal_add_record(j, "right", v->name, VP_TABLE_LOG_NUMBER(c),
				   VP_TABLE_LOG_NUMBER(right->right.use),
				   VP_TABLE_LOG_NUMBER(right->right.block),
				   right->kill ? "1" : "0", NULL);
	}
}

void vp_table_log_write_desired(struct journal *j, uint64_t generation,
				struct vp *const *vp, unsigned int n)
{
	journal_add_record(j, "apply", VP_TABLE_LOG_NUMBER(generation), NULL);
	for (unsigned int i = 0; i < n; i++) {
		if (!vp[i]->is_desired)
			continue;
		journal_add_record(j, "named", vp[i]->name, NULL);
		write_conf_records(j, vp[i]->name, &vp[i]->conf);
		write_right_records(j, vp[i]);
	}
}

void vp_table_log_write_all(const struct vp_table *r)
{
	struct journal *j = r->journal;

	journal_add_record(j, "boot", r->boot, NULL);
	journal_add_record(j, "numbers", VP_TABLE_LOG_NUMBER(r->next_number),
			   VP_TABLE_LOG_NUMBER(r->starts), NULL);
	for (unsigned int i = 0; i < r->n; i++) {
		const struct vp *v = r->vp[i];

		if (!v->number) /* desired, and absent */
			continue;
		journal_add_record(j, "vp", v->name,
				   VP_TABLE_LOG_NUMBER(v->number), NULL);
		if (v->run)
			journal_add_record(j, "start", v->name,
					   v->run->cgroup_name, NULL);
		if (v->prepared)
			journal_add_record(j, "prepare", v->name,
					   v->prepared->cgroup_name, NULL);
		if (v->auto_started)
			journal_add_record(j, "auto", v->name, NULL);
		journal_add_record(j, "state", v->name, vp_state_name(v->state),
				   NULL);
		if (v->shredding)
			journal_add_record(j, "step", v->name, "shred", NULL);
	}
	/* "start" and "prepare" counted again. */
	journal_add_record(j, "numbers", VP_TABLE_LOG_NUMBER(r->next_number),
			   VP_TABLE_LOG_NUMBER(r->starts), NULL);
	vp_table_log_write_desired(j, r->apply_generation, r->vp, r->n);
	journal_add_record(j, "front", r->foreground,
			   VP_TABLE_LOG_NUMBER(r->front_generation), NULL);
	for (unsigned int i = 0; i < r->n_commands; i++) {
		const struct vp_table_command *command = r->command[i];

		journal_add_record(j, "job", command->id, command->vp,
				   command->remove ? "1" : "0", NULL);
		journal_add_record(j, "measured", command->id,
				   VP_TABLE_LOG_NUMBER(command->bytes),
				   command->medium, NULL);
		if (*command->key_id)
			journal_add_record(j, "destroying", command->id,
					   VP_TABLE_LOG_NUMBER(command->slots),
					   VP_TABLE_LOG_NUMBER(command->keys),
					   command->key_id, NULL);
		if (command->incomplete)
			journal_add_record(j, "incomplete", command->id, NULL);
		if (command->done)
			journal_add_record(j, "done", command->id, NULL);
	}
}
