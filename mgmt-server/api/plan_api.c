/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would change if some documents were the newest: for each device the
 * caller may see, the set that its group would get, and each cell of the access
 * matrix that would differ. Decided by the very code that decides on the
 * device.
 */
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/fleet/effective_access.h"
#include "mgmt-server/fleet/snapshot.h"
#include "mgmt-server/store/root.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DRAFTS_MAX 64
#define TEXT_MAX (64L * 1024 * 1024)
#define ROWS 32 /* read at once */

struct access_matrix;

struct plan {
	struct request *rq;
	struct effective_access_cache *cache;
	struct doc *draft[DRAFTS_MAX];
	struct snapshot_drafts drafts;
	json_t *documents; /* of the answer */
	json_t *wanted;	   /* of the request, borrowed */
	size_t taken;	   /* of them */
	/* Devices, each as JSON with a comma behind it: one dump of all would
	 * be a long turn. */
	FILE *devices;
	char *text;
	size_t text_len;
	bool is_done;
	char last[24], last_group[DOC_ID_SIZE]; /* device that was looked at */
	int64_t changes;
	struct access_matrix *a, *b;
	/* Of the group at hand: both sets. */
	char group[DOC_ID_SIZE];
	struct composition before, after;
	struct effective_access access;
};

static void free_plan_work(void *work)
{
	struct plan *w = work;

	if (!w)
		return;
	for (unsigned int i = 0; i < w->drafts.n; i++)
		doc_free(w->draft[i]);
	effective_access_cache_free(w->cache);
	json_decref(w->documents);
	if (w->devices)
		fclose(w->devices);
	free(w->text);
	free(w->a);
	free(w->b);
	free(w);
}

static int add_draft_document(struct plan *w, json_t *j, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	const struct doc_root *root = root_get(w->rq->context->root);
	struct threshold_result tr = { 0 };
	char sha256[ENCODING_DIGEST_SIZE];
	struct doc *d = NULL;
	enum doc_type type;
	struct err why;
	bool valid;
	int r = envelope_from_json(j, &env, e);

	if (r < 0)
		return r;
	type = doc_type_from_payload_type(env->type);
	if (type == DOC_NONE || type == DOC_ROOT || type == DOC_COMMAND ||
	    type == DOC_MEMBERSHIP)
		return err_set(e, EINVAL, "a %.80s changes no modes",
			       env->type);
	r = doc_parse(type, env->payload, env->payload_len, &d, e);
	if (r < 0)
		return r;
	w->draft[w->drafts.n++] = d;
	valid = root && threshold_check(root, env, NULL, &tr, &why) == 0;
	encoding_format_digest(env->digest, sha256);
	json_array_append_new(
		w->documents,
		json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:b}", "type",
			  doc_type_name(type), "id", d->head.id, "version",
			  (int)d->head.version, "sha256", sha256, "signatures",
			  (int)tr.count, "threshold", (int)tr.threshold,
			  "valid", valid));
	return 0;
}

/* Fills the access with a composition's documents, drafts included. */
static int load_composed_documents(struct plan *w, const struct composition *c,
				   struct err *e)
{
	effective_access_clear_documents(&w->access);
	for (unsigned int i = 0; i < c->n; i++) {
		const struct doc *draft = NULL;
		int r;

		for (unsigned int k = 0; k < w->drafts.n; k++) {
			char sha256[ENCODING_DIGEST_SIZE];

			encoding_format_digest(w->draft[k]->head.digest,
					       sha256);
			if (strcmp(sha256, c->documents[i].sha256) == 0)
				draft = w->draft[k];
		}
		if (draft) {
			effective_access_add_document(&w->access, draft);
			continue;
		}
		r = effective_access_add_stored(w->cache, &w->access,
						c->documents[i].sha256, e);
		if (r < 0)
			return r;
	}
	return 0;
}

#define VPS_MAX DOC_VPS_MAX
struct access_matrix {
	unsigned int n;
	char vp[VPS_MAX][DOC_ID_SIZE];
	struct effective_access_cell cell[VPS_MAX][CELLS_CLASS_COUNT];
};

static void build_access_matrix(const struct effective_access *access,
				struct access_matrix *ret)
{
	ret->n = 0;
	for (unsigned int i = 0; i < access->n_configs && ret->n < VPS_MAX;
	     i++) {
		snprintf(ret->vp[ret->n], DOC_ID_SIZE, "%s",
			 access->config[i]->head.id);
		for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++)
			effective_access_get_cell(access, ret->vp[ret->n], c,
						  &ret->cell[ret->n][c]);
		ret->n++;
	}
}

/* A VP that is not in a matrix has nothing. */
static const struct effective_access_cell *
find_matrix_cell(const struct access_matrix *g, const char *vp,
		 unsigned int cls)
{
	static const struct effective_access_cell nothing = {
		.mode = "none", .verdict = "denied"
	};

	for (unsigned int i = 0; i < g->n; i++)
		if (strcmp(g->vp[i], vp) == 0)
			return &g->cell[i][cls];
	return &nothing;
}

static void compare_vp_cells(const struct access_matrix *a,
			     const struct access_matrix *b, const char *vp,
			     json_t *cells)
{
	for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++) {
		const struct effective_access_cell *x = find_matrix_cell(a, vp,
									 c),
						   *y = find_matrix_cell(b, vp,
									 c);
		bool cuts = strcmp(x->verdict, "allowed") == 0 &&
			    strcmp(y->verdict, "allowed") != 0;

		if (strcmp(x->mode, y->mode) == 0 &&
		    strcmp(x->verdict, y->verdict) == 0)
			continue;
		json_array_append_new(
			cells,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "vp",
				  vp, "class", class_name(c), "before", x->mode,
				  "after", y->mode, "verdict_before",
				  x->verdict, "verdict_after", y->verdict,
				  "cuts", cuts));
	}
}

static json_t *compare_access_matrices(const struct access_matrix *a,
				       const struct access_matrix *b)
{
	json_t *cells = json_array();

	for (unsigned int i = 0; i < b->n; i++)
		compare_vp_cells(a, b, b->vp[i], cells);
	for (unsigned int i = 0; i < a->n; i++) {
		bool in_both = false;

		for (unsigned int k = 0; k < b->n; k++)
			in_both |= strcmp(a->vp[i], b->vp[k]) == 0;
		if (!in_both)
			compare_vp_cells(a, b, a->vp[i], cells);
	}
	return cells;
}

static json_t *build_version_json(const struct composition *c,
				  const struct document_version *p)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (c->documents[i].type == p->type &&
		    strcmp(c->documents[i].id, p->id) == 0)
			return json_integer(c->documents[i].version);
	return json_null();
}

static void list_changed_documents(const struct composition *a,
				   const struct composition *b, bool second,
				   json_t *list)
{
	const struct composition *from = second ? b : a;

	for (unsigned int i = 0; i < from->n; i++) {
		const struct document_version *p = &from->documents[i];
		auto_json json_t *before = build_version_json(a, p);
		auto_json json_t *after = build_version_json(b, p);

		if (json_equal(before, after) ||
		    (!second && !json_is_null(after)))
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:O, s:O}", "type",
					doc_type_name(p->type), "id", p->id,
					"before", before, "after", after));
	}
}

/* What the device runs by receipt; without one, what its group has now. */
static int compute_device_changes(struct plan *w, const char *id,
				  const char *name, struct err *e)
{
	struct access_matrix *a = w->a, *b = w->b;
	auto_json json_t *documents = json_array(), *cells = NULL, *j = NULL;
	auto_free char *text = NULL;
	int r = effective_access_load(w->cache, id, 0, &w->access, e);

	if (r == 0 && !w->access.known)
		r = load_composed_documents(w, &w->before, e);
	if (r < 0)
		return r;
	build_access_matrix(&w->access, a);
	*b = *a;
	if (w->after.n > 0) {
		r = load_composed_documents(w, &w->after, e);
		if (r < 0)
			return r;
		build_access_matrix(&w->access, b);
		list_changed_documents(&w->before, &w->after, true, documents);
		list_changed_documents(&w->before, &w->after, false, documents);
	}
	cells = compare_access_matrices(a, b);
	w->changes += (int64_t)json_array_size(cells);
	if (json_array_size(cells) == 0 && json_array_size(documents) == 0 &&
	    !w->after.problem[0])
		return 0;
	j = json_pack("{s:s, s:s, s:s, s:o, s:o, s:O, s:O}", "device", id,
		      "name", name, "group", w->group, "foreground",
		      request_optional_string(w->access.foreground[0]
						      ? w->access.foreground
						      : NULL),
		      "problem",
		      request_optional_string(
			      w->after.problem[0] ? w->after.problem : NULL),
		      "documents", documents, "cells", cells);
	text = j ? json_text(j) : NULL;
	if (!text || fprintf(w->devices, "%s,", text) < 0)
		return err_oom(e, "plan");
	return ftell(w->devices) < TEXT_MAX
		       ? 0
		       : err_reason(e, REASON_TOO_LARGE,
				    "the plan is longer than %ld bytes",
				    TEXT_MAX);
}

static int load_group_compositions(struct plan *w, const char *group,
				   struct err *e)
{
	int r;

	if (strcmp(w->group, group) == 0)
		return 0;
	snprintf(w->group, sizeof(w->group), "%s", group);
	r = snapshot_compose_with_drafts(w->rq->context->snapshots, group, NULL,
					 &w->before, e);
	return r < 0 ? r
		     : snapshot_compose_with_drafts(w->rq->context->snapshots,
						    group, &w->drafts,
						    &w->after, e);
}

/* Some devices behind the last one; 0: that was all. */
static int compute_next_devices(struct plan *w, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct db *db = w->rq->db;
	bool is_over = false;
	int r = db_query(db, &row, e,
			 "SELECT id, name, grp FROM device WHERE"
			 " state = 'active' AND (grp, id) > (?, ?)"
			 " ORDER BY grp, id LIMIT ?",
			 "ssi", w->last_group, w->last, (int64_t)ROWS);

	while (!is_over && db_next(row, &r, e)) {
		snprintf(w->last, sizeof(w->last), "%s", db_text(row, 0));
		snprintf(w->last_group, sizeof(w->last_group), "%s",
			 db_text(row, 2));
		if (request_can_see_group(w->rq, w->last_group)) {
			r = load_group_compositions(w, w->last_group, e);
			if (r == 0)
				r = compute_device_changes(w, w->last,
							   db_text(row, 1), e);
		}
		if (r > 0)
			r = 0;
		is_over = request_is_slice_over(w->rq);
	}
	return r < 0 ? r : is_over;
}

static int compute_all_devices(struct plan *w, struct err *e)
{
	char last[sizeof(w->last)];
	int r;

	do {
		snprintf(last, sizeof(last), "%s", w->last);
		r = compute_next_devices(w, e);
		if (r != 0)
			return r < 0 ? r : REQUEST_AGAIN;
	} while (strcmp(last, w->last) != 0);
	return 0;
}

/* Each draft is verified, which takes a while as well. */
static int add_draft_documents(struct plan *w, struct err *e)
{
	while (w->taken < json_array_size(w->wanted)) {
		int r = add_draft_document(
			w, json_array_get(w->wanted, w->taken), e);

		if (r < 0)
			return r;
		w->taken++;
		if (request_is_slice_over(w->rq))
			return REQUEST_AGAIN;
	}
	return 0;
}

static int create_plan_work(struct request *rq, struct err *e)
{
	struct plan *w = calloc(1, sizeof(*w));
	const struct json_member table[] = {
		{ "documents", JSON_ARRAY, false, w ? &w->wanted : NULL },
		{ NULL },
	};
	int r;

	if (!w)
		return err_oom(e, "plan");
	rq->work = w;
	rq->work_free = free_plan_work;
	r = request_parse_body(rq, table, e);
	if (r < 0)
		return r;
	if (json_array_size(w->wanted) > DRAFTS_MAX)
		return err_set(e, EINVAL, "more than %d documents", DRAFTS_MAX);
	w->rq = rq;
	w->cache = effective_access_cache_new(rq->db);
	w->documents = json_array();
	w->devices = open_memstream(&w->text, &w->text_len);
	w->a = calloc(1, sizeof(*w->a));
	w->b = calloc(1, sizeof(*w->b));
	w->drafts.doc = w->draft;
	return w->cache && w->documents && w->devices && w->a && w->b
		       ? 0
		       : err_oom(e, "plan");
}

static int answer_plan_json(struct plan *w, struct err *e)
{
	auto_free char *documents = json_text(w->documents);
	FILE *f = w->devices;
	char *text = NULL;
	int n;

	w->devices = NULL;
	if (fclose(f) != 0 || !documents)
		return err_oom(e, "plan");
	if (w->text_len > 0)
		w->text[w->text_len - 1] = '\0'; /* the last comma */
	n = asprintf(&text,
		     "{\"changes\":%" PRId64 ",\"documents\":%s,"
		     "\"devices\":[%s]}",
		     w->changes, documents, w->text);
	return request_answer_text(w->rq, 200, "application/json",
				   n < 0 ? NULL : text, e);
}

int plan_api_show_changes(struct request *rq, struct err *e)
{
	int r = rq->work ? 0 : create_plan_work(rq, e);

	if (r == 0)
		r = add_draft_documents(rq->work, e);
	if (r == 0)
		r = compute_all_devices(rq->work, e);
	return r != 0 ? r : answer_plan_json(rq->work, e);
}
