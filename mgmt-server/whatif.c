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
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/text.h"
#include "lib/trust.h"
#include "mgmt-server/compose.h"
#include "mgmt-server/handlers.h"
#include "mgmt-server/request.h"
#include "mgmt-server/server.h"
#include "mgmt-server/whoaccess.h"

#include <errno.h>
#include <string.h>

#define DRAFTS_MAX 64
#define DEVICES_MAX 10000

struct whatif {
	struct request *rq;
	struct shelf *shelf;
	struct doc *draft[DRAFTS_MAX];
	struct compose_draft drafts;
	json_t *documents, *devices; /* of the answer */
	int64_t changes;
	/* Of the group at hand: both sets. */
	char group[DOC_ID_SIZE];
	struct composition before, after;
	struct world world;
};

static void whatif_free(struct whatif *w)
{
	if (!w)
		return;
	for (unsigned int i = 0; i < w->drafts.n; i++)
		doc_free(w->draft[i]);
	shelf_free(w->shelf);
	json_decref(w->documents);
	json_decref(w->devices);
	free(w);
}

static void whatif_freep(struct whatif **w)
{
	whatif_free(*w);
}

static int take_draft(struct whatif *w, json_t *j, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	const struct doc_root *root = server_root(w->rq->server);
	auto_free char *text = json_text(j);
	struct trust_result tr = { 0 };
	char sha256[TEXT_DIGEST_SIZE];
	struct doc *d = NULL;
	enum doc_type type;
	struct err why;
	bool valid;
	int r;

	if (!text)
		return err_oom(e, "plan");
	r = envelope_parse(text, strlen(text), &env, e);
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
	valid = root && trust_check(root, env, &tr, &why) == 0;
	text_digest(env->digest, sha256);
	json_array_append_new(
		w->documents,
		json_pack("{s:s, s:s, s:i, s:s, s:i, s:i, s:b}", "type",
			  doc_type_name(type), "id", d->head.id, "version",
			  (int)d->head.version, "sha256", sha256, "signatures",
			  (int)tr.count, "threshold", (int)tr.threshold,
			  "valid", valid));
	return 0;
}

/* Fills the world with a composition's documents, drafts included. */
static int fill(struct whatif *w, const struct composition *c, struct err *e)
{
	whoaccess_clear(&w->world);
	for (unsigned int i = 0; i < c->n; i++) {
		const struct doc *draft = NULL;
		int r;

		for (unsigned int k = 0; k < w->drafts.n; k++) {
			char sha256[TEXT_DIGEST_SIZE];

			text_digest(w->draft[k]->head.digest, sha256);
			if (strcmp(sha256, c->pick[i].sha256) == 0)
				draft = w->draft[k];
		}
		if (draft) {
			whoaccess_put(&w->world, draft);
			continue;
		}
		r = whoaccess_add(w->rq->server, w->shelf, &w->world,
				  c->pick[i].sha256, e);
		if (r < 0)
			return r;
	}
	return 0;
}

#define VPS_MAX DOC_VPS_MAX
struct grid {
	unsigned int n;
	char vp[VPS_MAX][DOC_ID_SIZE];
	struct cell cell[VPS_MAX][CELLS_CLASS_COUNT];
};

static void take_grid(const struct world *world, struct grid *ret)
{
	ret->n = 0;
	for (unsigned int i = 0; i < world->n_configs && ret->n < VPS_MAX;
	     i++) {
		snprintf(ret->vp[ret->n], DOC_ID_SIZE, "%s",
			 world->config[i]->head.id);
		for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++)
			whoaccess_cell(world, ret->vp[ret->n], c,
				       &ret->cell[ret->n][c]);
		ret->n++;
	}
}

/* A VP that is not in a grid has nothing. */
static const struct cell *cell_of(const struct grid *g, const char *vp,
				  unsigned int cls)
{
	static const struct cell nothing = { .mode = "none",
					     .verdict = "denied" };

	for (unsigned int i = 0; i < g->n; i++)
		if (strcmp(g->vp[i], vp) == 0)
			return &g->cell[i][cls];
	return &nothing;
}

static void compare_vp(const struct grid *a, const struct grid *b,
		       const char *vp, json_t *cells)
{
	for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++) {
		const struct cell *x = cell_of(a, vp, c),
				  *y = cell_of(b, vp, c);
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

static json_t *compare_grids(const struct grid *a, const struct grid *b)
{
	json_t *cells = json_array();

	for (unsigned int i = 0; i < b->n; i++)
		compare_vp(a, b, b->vp[i], cells);
	for (unsigned int i = 0; i < a->n; i++) {
		bool in_both = false;

		for (unsigned int k = 0; k < b->n; k++)
			in_both |= strcmp(a->vp[i], b->vp[k]) == 0;
		if (!in_both)
			compare_vp(a, b, a->vp[i], cells);
	}
	return cells;
}

static json_t *version_in(const struct composition *c,
			  const struct archive_pick *p)
{
	for (unsigned int i = 0; i < c->n; i++)
		if (c->pick[i].type == p->type &&
		    strcmp(c->pick[i].id, p->id) == 0)
			return json_integer(c->pick[i].version);
	return json_null();
}

static void list_documents(const struct composition *a,
			   const struct composition *b, bool second,
			   json_t *list)
{
	const struct composition *from = second ? b : a;

	for (unsigned int i = 0; i < from->n; i++) {
		const struct archive_pick *p = &from->pick[i];
		auto_json json_t *before = version_in(a, p);
		auto_json json_t *after = version_in(b, p);

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
static int plan_device(struct whatif *w, const char *id, const char *name,
		       struct grid *a, struct grid *b, struct err *e)
{
	json_t *documents = json_array(), *cells;
	int r = whoaccess_world(w->rq->server, w->shelf, id, 0, &w->world, e);

	if (r == 0 && !w->world.known)
		r = fill(w, &w->before, e);
	if (r < 0)
		return r;
	take_grid(&w->world, a);
	*b = *a;
	if (w->after.n > 0) {
		r = fill(w, &w->after, e);
		if (r < 0)
			return r;
		take_grid(&w->world, b);
		list_documents(&w->before, &w->after, true, documents);
		list_documents(&w->before, &w->after, false, documents);
	}
	cells = compare_grids(a, b);
	w->changes += (int64_t)json_array_size(cells);
	if (json_array_size(cells) == 0 && json_array_size(documents) == 0 &&
	    !w->after.problem[0]) {
		json_decref(cells);
		json_decref(documents);
		return 0;
	}
	json_array_append_new(
		w->devices,
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "device", id,
			  "name", name, "group", w->group, "foreground",
			  request_string(w->world.foreground[0]
						 ? w->world.foreground
						 : NULL),
			  "problem",
			  request_string(w->after.problem[0] ? w->after.problem
							     : NULL),
			  "documents", documents, "cells", cells));
	return 0;
}

static int open_group(struct whatif *w, const char *group, struct err *e)
{
	int r;

	if (strcmp(w->group, group) == 0)
		return 0;
	snprintf(w->group, sizeof(w->group), "%s", group);
	r = compose_with(w->rq->server, group, NULL, &w->before, e);
	return r < 0 ? r
		     : compose_with(w->rq->server, group, &w->drafts, &w->after,
				    e);
}

static int plan_fleet(struct whatif *w, struct err *e)
{
	struct db *db = w->rq->server->db;
	AUTO(auto_freep) struct grid *a = calloc(1, sizeof(*a));
	AUTO(auto_freep) struct grid *b = calloc(1, sizeof(*b));
	sqlite3_stmt *st = NULL;
	int r = db_query(db, &st, e,
			 "SELECT id, name, grp FROM device WHERE"
			 " state = 'active' ORDER BY grp, id LIMIT ?",
			 "i", (int64_t)DEVICES_MAX);

	if (!a || !b)
		return err_oom(e, "plan");
	while (r >= 0 && (r = db_step(db, st, e)) > 0) {
		if (!request_sees(w->rq, db_text(st, 2)))
			continue;
		r = open_group(w, db_text(st, 2), e);
		if (r == 0)
			r = plan_device(w, db_text(st, 0), db_text(st, 1), a, b,
					e);
	}
	return r;
}

int whatif_plan(struct request *rq, struct err *e)
{
	AUTO(whatif_freep) struct whatif *w = calloc(1, sizeof(*w));
	json_t *documents = NULL, *j;
	const struct json_member table[] = {
		{ "documents", JSON_ARRAY, false, &documents },
		{ NULL },
	};
	size_t i;
	int r = request_take(rq, table, e);

	if (r < 0)
		return r;
	if (!w)
		return err_oom(e, "plan");
	w->rq = rq;
	w->shelf = shelf_new(rq->server);
	w->documents = json_array();
	w->devices = json_array();
	w->drafts.doc = w->draft;
	if (!w->shelf)
		return err_oom(e, "plan");
	if (json_array_size(documents) > DRAFTS_MAX)
		return err_set(e, EINVAL, "more than %d documents", DRAFTS_MAX);
	json_array_foreach (documents, i, j) {
		r = take_draft(w, j, e);
		if (r < 0)
			return r;
	}
	r = plan_fleet(w, e);
	if (r < 0)
		return r;
	return request_json(rq, 200,
			    json_pack("{s:I, s:O, s:O}", "changes",
				      (json_int_t)w->changes, "documents",
				      w->documents, "devices", w->devices),
			    e);
}
