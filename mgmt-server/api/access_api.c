/* SPDX-License-Identifier: Apache-2.0 */
/* The access matrix, a cell of it explained, and the fleet asked by class. */
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/fleet/effective_access.h"
#include "mgmt-server/store/document.h"

#include <errno.h>
#include <string.h>

static json_t *build_optional_text(const char *s)
{
	return request_optional_string(s[0] ? s : NULL);
}

static json_t *build_receipt_json(const struct effective_access *w)
{
	return w->known ? json_pack("{s:s, s:I, s:s}", "epoch", w->epoch, "seq",
				    (json_int_t)w->seq, "time", w->time)
			: json_null();
}

static json_t *build_until_json(const struct effective_access *w)
{
	int64_t left = access_next_edge(w->policy, w->n_policies, &w->at);

	return left > 0 ? request_optional_time(w->at.wall + left)
			: json_null();
}

/* The access of the request's device, if the caller may see it. */
static int load_device_access(struct request *rq,
			      struct effective_access_cache *f,
			      struct effective_access *ret, struct err *e)
{
	char group[DOC_ID_SIZE];
	int64_t at = 0;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = request_get_time(rq, "at", &at, e);
	if (r == 0)
		r = f ? effective_access_load(f, rq->param[0], at, ret, e)
		      : err_oom(e, "read documents");
	return r;
}

static json_t *build_matrix_row(const struct effective_access *w,
				const char *vp)
{
	json_t *cells = json_array();
	json_t *until = build_until_json(w);

	for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++) {
		struct effective_access_cell cell;

		effective_access_get_cell(w, vp, c, &cell);
		json_array_append_new(cells,
				      json_pack("{s:s, s:s, s:s, s:O}", "class",
						class_name(c), "mode",
						cell.mode, "verdict",
						cell.verdict, "until", until));
	}
	json_decref(until);
	return json_pack("{s:s, s:o}", "vp", vp, "cells", cells);
}

/* By receipts, as the device's record has it; null: nothing is known. */
static json_t *build_compliance_json(struct db *db, const char *device)
{
	json_t *j = NULL;
	AUTO(db_done) struct db_row *row = NULL;
	struct err e;

	if (db_first(db, &row, &e, "SELECT compliant FROM device WHERE id = ?",
		     "s", device) > 0 &&
	    !db_is_null(row, 0))
		j = json_boolean(db_bool(row, 0));
	return j ? j : json_null();
}

int access_api_show_matrix(struct request *rq, struct err *e)
{
	AUTO(effective_access_cache_freep)
	struct effective_access_cache *f = effective_access_cache_new(rq->db);
	AUTO(auto_freep) struct effective_access *w = calloc(1, sizeof(*w));
	auto_json json_t *rows = json_array(), *classes = json_array();
	int r = w ? load_device_access(rq, f, w, e)
		  : err_oom(e, "make a matrix");

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < w->n_configs; i++)
		json_array_append_new(
			rows, build_matrix_row(w, w->config[i]->head.id));
	for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++)
		json_array_append_new(classes, json_string(class_name(c)));
	return request_answer_json(
		rq, 200,
		json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:O, s:O}", "device",
			  rq->param[0], "at", request_optional_time(w->at.wall),
			  "foreground", build_optional_text(w->foreground),
			  "enforcement", build_optional_text(w->enforcement),
			  "compliant",
			  build_compliance_json(rq->db, rq->param[0]),
			  "receipt", build_receipt_json(w), "classes", classes,
			  "vps", rows),
		e);
}

/* ---- explain */
static json_t *build_rule_json(struct db *db, const struct access_reason *rs)
{
	char sha256[ENCODING_DIGEST_SIZE];
	json_t *signers;
	const char *window = !rs->rule || rs->rule->n_windows == 0 ? "none"
			     : rs->window_closed		   ? "closed"
								   : "open";

	encoding_format_digest(rs->policy->head.digest, sha256);
	signers = document_load_signers(db, sha256);
	return json_pack("{s:s, s:i, s:i, s:s, s:s, s:s, s:o, s:s?}", "policy",
			 rs->policy->head.id, "version",
			 (int)rs->policy->head.version, "line",
			 rs->rule ? (int)rs->rule->line : 0, "class",
			 !rs->rule ? "default"
			 : rs->rule->cls == CELLS_CLASS_COUNT
				 ? "default"
				 : class_name(rs->rule->cls),
			 "mode", access_mode_name(rs->right), "window", window,
			 "signers", signers ? signers : json_array(), "reason",
			 rs->is_unmet ? reason_code(REASON_ENFORCEMENT) : NULL);
}

static bool has_vp_config(const struct effective_access *w, const char *vp)
{
	for (unsigned int i = 0; i < w->n_configs; i++)
		if (strcmp(w->config[i]->head.id, vp) == 0)
			return true;
	return false;
}

int access_api_explain_cell(struct request *rq, struct err *e)
{
	AUTO(effective_access_cache_freep)
	struct effective_access_cache *f = effective_access_cache_new(rq->db);
	AUTO(auto_freep) struct effective_access *w = calloc(1, sizeof(*w));
	enum cells_class cls = class_from_name(rq->param[2]);
	auto_json json_t *rules = json_array();
	struct access_right own;
	struct effective_access_cell cell;
	int r = w ? load_device_access(rq, f, w, e) : err_oom(e, "explain");

	if (r < 0)
		return r;
	if (cls == CELLS_CLASS_COUNT)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no class %.40s",
			       rq->param[2]);
	if (!has_vp_config(w, rq->param[1]))
		return err_reason(e, REASON_NO_SUCH_VP,
				  "no receipt says that it has a VP %.64s",
				  rq->param[1]);
	effective_access_get_cell(w, rq->param[1], cls, &cell);
	access_right_of(w->policy, w->n_policies, rq->param[1], cls, &w->at,
			w->level, &own);
	for (unsigned int i = 0; i < own.n_reasons; i++)
		json_array_append_new(rules,
				      build_rule_json(rq->db, &own.reason[i]));
	return request_answer_json(
		rq, 200,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:O, s:o}",
			  "device", rq->param[0], "vp", rq->param[1], "class",
			  class_name(cls), "verdict", cell.verdict, "mode",
			  cell.mode, "foreground",
			  build_optional_text(w->foreground), "front_mode",
			  request_optional_string(
				  w->foreground[0]
					  ? access_mode_name(cell.foreground)
					  : NULL),
			  "until", build_until_json(w), "rules", rules,
			  "receipt", build_receipt_json(w)),
		e);
}

/* ---- VPs */
static json_t *find_reported_vp(json_t *reported, const char *vp)
{
	json_t *status = json_object_get(reported, "status"), *j;
	size_t i;

	json_array_foreach (json_object_get(status, "vps"), i, j) {
		const char *id = json_string_value(json_object_get(j, "id"));
		const char *name = json_string_value(json_object_get(j, "vp"));

		if (!id)
			id = name ? name
				  : json_string_value(
					    json_object_get(j, "name"));
		if (id && strcmp(id, vp) == 0)
			return j;
	}
	return NULL;
}

static json_t *get_image_version(const struct effective_access *w,
				 const char *id)
{
	for (unsigned int i = 0; i < w->n_images; i++)
		if (strcmp(w->image[i].id, id) == 0)
			return json_integer(w->image[i].version);
	return json_null();
}

/* What the newest receipt on the VP says of it; "": none does. */
static int load_vp_state(struct db *db, const struct effective_access *w,
			 const char *vp, char ret[16], struct err *e)
{
	static const struct {
		const char *receipt, *state;
	} words[] = {
		{ "started", "background" }, { "unlocked", "background" },
		{ "stopped", "stopped" },    { "locked", "locked" },
		{ "wiped", "absent" },	     { "removed", "absent" },
	};
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT type FROM receipt WHERE device = ? AND"
			 " epoch = ? AND vp = ? AND type IN ('started',"
			 " 'stopped', 'locked', 'unlocked', 'wiped', 'removed')"
			 " ORDER BY seq DESC LIMIT 1",
			 "sss", w->device, w->epoch, vp);

	ret[0] = '\0';
	for (size_t i = 0; r > 0 && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].receipt, db_text(row, 0)) == 0)
			snprintf(ret, 16, "%s", words[i].state);
	if (strcmp(w->foreground, vp) == 0)
		snprintf(ret, 16, "foreground");
	return r < 0 ? r : 0;
}

static int build_vp_json(struct db *db, const struct effective_access *w,
			 const struct doc_vp_config *c, json_t *reported,
			 json_t **ret, struct err *e)
{
	json_t *said = find_reported_vp(reported, c->head.id);
	char sha256[ENCODING_DIGEST_SIZE], state[16];
	int r = load_vp_state(db, w, c->head.id, state, e);

	if (r < 0)
		return r;
	encoding_format_digest(c->head.digest, sha256);
	*ret = json_pack(
		"{s:s, s:s, s:{s:i, s:s}, s:{s:s, s:o}, s:b, s:o, s:O}", "vp",
		c->head.id, "label", c->label, "config", "version",
		(int)c->head.version, "sha256", sha256, "image", "id", c->image,
		"version", get_image_version(w, c->image), "foreground",
		strcmp(w->foreground, c->head.id) == 0, "state",
		build_optional_text(state), "reported",
		said ? said : json_null());
	return *ret ? 0 : err_oom(e, "list VPs");
}

int access_api_list_vps(struct request *rq, struct err *e)
{
	AUTO(effective_access_cache_freep)
	struct effective_access_cache *f = effective_access_cache_new(rq->db);
	AUTO(auto_freep) struct effective_access *w = calloc(1, sizeof(*w));
	auto_json json_t *items = json_array(), *reported = NULL;
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = w ? load_device_access(rq, f, w, e) : err_oom(e, "list VPs");

	if (r == 0)
		r = db_first(db, &row, e,
			     "SELECT reported FROM device WHERE id = ?", "s",
			     rq->param[0]);
	if (r < 0)
		return r;
	reported = json_from_text(db_text(row, 0));
	db_done(&row);
	for (unsigned int i = 0; i < w->n_configs; i++) {
		json_t *j = NULL;

		r = build_vp_json(rq->db, w, w->config[i], reported, &j, e);
		if (r < 0)
			return r;
		json_array_append_new(items, j);
	}
	return request_answer_list(rq, steal(items), NULL, e);
}

/* ---- the fleet by class */
struct access_query {
	struct request *rq;
	const char *vp, *verdict;
	enum cells_class cls; /* CELLS_CLASS_COUNT: any */
	int64_t at;
	uint64_t limit;
	json_t *items;
	char name[DOC_ID_SIZE], group[DOC_ID_SIZE], last[DOC_ID_SIZE];
	struct effective_access_cache *cache;
	struct effective_access *access;
};

static bool is_known_verdict(const char *word)
{
	static const char *const words[] = { "allowed", "denied",  "absent",
					     "virtual", "unknown", "any" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static int parse_access_query(struct access_query *q, struct err *e)
{
	const char *cls = request_get_argument(q->rq, "class");
	int r = request_get_time(q->rq, "at", &q->at, e);

	if (r == 0)
		r = request_get_number(q->rq, "limit", 1, LISTING_LIMIT_MAX,
				       &q->limit, e);
	if (r < 0)
		return r;
	q->vp = request_get_argument(q->rq, "vp");
	q->verdict = request_get_argument(q->rq, "verdict");
	if (!q->verdict)
		q->verdict = "allowed";
	if (!is_known_verdict(q->verdict))
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "verdict: there is no '%.32s'", q->verdict);
	q->cls = cls ? class_from_name(cls) : CELLS_CLASS_COUNT;
	return cls && q->cls == CELLS_CLASS_COUNT
		       ? err_set(e, EINVAL, "there is no class %.40s", cls)
		       : 0;
}

static void append_matching_cell(struct access_query *q,
				 const struct effective_access *w,
				 const char *vp, enum cells_class cls)
{
	struct effective_access_cell cell;

	effective_access_get_cell(w, vp, cls, &cell);
	if (strcmp(q->verdict, "any") != 0 &&
	    strcmp(q->verdict, cell.verdict) != 0)
		return;
	json_array_append_new(
		q->items,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o}",
			  "device", w->device, "name", q->name, "group",
			  q->group, "vp", vp, "class", class_name(cls), "mode",
			  cell.mode, "verdict", cell.verdict, "foreground",
			  build_optional_text(w->foreground), "enforcement",
			  w->enforcement, "receipt", build_receipt_json(w)));
}

static void append_device_cells(struct access_query *q,
				const struct effective_access *w)
{
	for (unsigned int i = 0; i < w->n_configs; i++) {
		const char *vp = w->config[i]->head.id;

		if (q->vp && strcmp(q->vp, vp) != 0)
			continue;
		for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++)
			if (q->cls == CELLS_CLASS_COUNT || q->cls == c)
				append_matching_cell(q, w, vp, c);
	}
}

/* Of its VPs nothing is known, so it is listed whatever verdict was asked for:
 * an answer without it would say that nobody there may. */
static void append_unknown_device(struct access_query *q)
{
	json_array_append_new(
		q->items,
		json_pack("{s:s, s:s, s:s, s:n, s:n, s:n, s:s, s:n, s:n, s:n}",
			  "device", q->last, "name", q->name, "group", q->group,
			  "vp", "class", "mode", "verdict", "unknown",
			  "foreground", "enforcement", "receipt"));
}

static void access_query_free(void *work)
{
	struct access_query *q = work;

	effective_access_cache_free(q->cache);
	json_decref(q->items);
	free(q->access);
	free(q);
}

static int create_access_query(struct request *rq, struct err *e)
{
	struct access_query *q = calloc(1, sizeof(*q));
	const char *cursor = request_get_argument(rq, "cursor");

	if (!q)
		return err_oom(e, "ask the fleet");
	rq->work = q;
	rq->work_free = access_query_free;
	q->rq = rq;
	q->limit = LISTING_LIMIT;
	q->items = json_array();
	q->cache = effective_access_cache_new(rq->db);
	q->access = calloc(1, sizeof(*q->access));
	snprintf(q->last, sizeof(q->last), "%s", cursor ? cursor : "");
	return q->items && q->cache && q->access ? parse_access_query(q, e)
						 : err_oom(e, "ask the fleet");
}

/* 0: there are no more; 1: the page is full; REQUEST_AGAIN. */
static int query_next_devices(struct access_query *q, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct db *db = q->rq->db;
	int r = db_query(db, &row, e,
			 "SELECT id, name, grp, state = 'active' AND (?3 = 0 OR"
			 " enrolled <= ?3) FROM device WHERE id > ?1"
			 " AND (?2 IS NULL OR id = ?2) ORDER BY id",
			 "ssi", q->last, request_get_argument(q->rq, "device"),
			 q->at);

	while (db_next(row, &r, e)) {
		bool has_to_tell = db_bool(row, 3);

		if (json_array_size(q->items) >= q->limit)
			return 1;
		if (request_is_slice_over(q->rq))
			return REQUEST_AGAIN;
		snprintf(q->last, sizeof(q->last), "%s", db_text(row, 0));
		snprintf(q->name, sizeof(q->name), "%s", db_text(row, 1));
		snprintf(q->group, sizeof(q->group), "%s", db_text(row, 2));
		if (!request_can_see_group(q->rq, q->group))
			continue;
		r = effective_access_load(q->cache, q->last, q->at, q->access,
					  e);
		if (r == 0 && q->access->known)
			append_device_cells(q, q->access);
		else if (r == 0 && has_to_tell)
			append_unknown_device(q);
	}
	return r;
}

/* Whole devices only; the cursor is the last one's id. */
int access_api_query_devices(struct request *rq, struct err *e)
{
	struct access_query *q;
	int r = rq->work ? 0 : create_access_query(rq, e);

	if (r < 0)
		return r;
	q = rq->work;
	r = query_next_devices(q, e);
	if (r < 0 || r == REQUEST_AGAIN)
		return r;
	return request_answer_list(rq, steal(q->items), r > 0 ? q->last : NULL,
				   e);
}
