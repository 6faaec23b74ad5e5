/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/document_api.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/compatibility.h"
#include "mgmt-server/fleet/image.h"
#include "mgmt-server/fleet/snapshot.h"
#include "mgmt-server/store/document.h"
#include "mgmt-server/store/root.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS                                                                \
	"number, type, id, version, sha256, state, issued, expires,"           \
	" signers, threshold, length(payload), submitted, submitter, rev"

/* ---- submission */
/* What a device would refuse is refused here, with the same words. */
static int check_document_version(const struct request *rq,
				  const struct doc_head *h, struct err *e)
{
	char sha256[ENCODING_DIGEST_SIZE];
	AUTO(db_done) struct db_row *row = NULL;
	int64_t newest;
	bool same;
	int r = db_first(rq->db, &row, e,
			 "SELECT version, sha256 FROM document WHERE type = ?"
			 " AND id = ? AND " DOCUMENT_IS_VALID
			 " ORDER BY version DESC LIMIT 1",
			 "ss", doc_type_name(h->type), h->id);

	if (r <= 0)
		return r;
	newest = db_int(row, 0);
	encoding_format_digest(h->digest, sha256);
	same = strcmp(db_text(row, 1), sha256) == 0;
	if (newest > h->version)
		return err_reason(e, REASON_ROLLBACK,
				  "%s %s: version %u, but %lld is here",
				  doc_type_name(h->type), h->id, h->version,
				  (long long)newest);
	if (newest == h->version && !same)
		return err_reason(e, REASON_EQUIVOCATION,
				  "%s %s %u is here with other bytes",
				  doc_type_name(h->type), h->id, h->version);
	return 0;
}

static int load_document_state(const struct request *rq, const char *sha256,
			       char ret[16], struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(rq->db, &row, e,
			 "SELECT state FROM document WHERE sha256 = ?", "s",
			 sha256);

	ret[0] = '\0';
	if (r > 0)
		snprintf(ret, 16, "%s", db_text(row, 0));
	return r < 0 ? r : 0;
}

static int check_submitter_rights(const struct request *rq, enum doc_type type,
				  const char *id, struct err *e)
{
	enum right need = type == DOC_IMAGE ? RIGHT_IMAGE : RIGHT_POLICY;

	if (!(rq->caller.rights & need))
		return err_set(e, PROBLEM_FORBIDDEN,
			       "role %s may not submit a %s", rq->caller.role,
			       doc_type_name(type));
	if (type == DOC_GROUP && id && !request_can_see_group(rq, id))
		return err_set(e, PROBLEM_FORBIDDEN,
			       "the token is not for group %s", id);
	return 0;
}

static int parse_document_type(const struct request *rq,
			       const struct envelope *env, enum doc_type *ret,
			       struct err *e)
{
	enum doc_type t = doc_type_from_payload_type(env->type);

	if (t == DOC_ROOT || t == DOC_COMMAND || t == DOC_MEMBERSHIP)
		return err_set(e, EINVAL, "a %s goes to %s", doc_type_name(t),
			       t == DOC_ROOT ? "/v1/roots"
					     : "/v1/devices/{device}/actions");
	if (t == DOC_NONE)
		return err_reason(e, REASON_ENVELOPE,
				  "payloadType '%s' is not known", env->type);
	*ret = t;
	return check_submitter_rights(rq, t, NULL, e);
}

struct submission {
	struct envelope *env;
	struct doc *doc;
	struct threshold_result trust;
	bool known, valid;
};

static void submission_fini(struct submission *sb)
{
	envelope_free(sb->env);
	doc_free(sb->doc);
}

/*
 * Valid, or waiting for more signatures. Only then the payload of a proposal is
 * parsed, for its name; no device sees it.
 */
static int check_submission(struct request *rq, enum doc_type type,
			    struct submission *sb, struct err *e)
{
	const struct doc_root *root = root_get(rq->context->root);
	int r = trust_open(root, sb->env, &sb->doc, &sb->trust, e);

	sb->valid = r == 0;
	if (r < 0 && document_needs_signatures(sb->env, e))
		r = doc_parse(type, sb->env->payload, sb->env->payload_len,
			      &sb->doc, e);
	if (r < 0)
		return r;
	document_remove_bad_signatures(root, sb->trust.signers, sb->env);
	if (strcmp(sb->doc->head.org, rq->context->org) != 0)
		return err_reason(e, REASON_WRONG_ORG, "org '%s', not '%s'",
				  sb->doc->head.org, rq->context->org);
	r = document_check_times(&sb->doc->head, e);
	if (r == 0)
		r = check_document_version(rq, &sb->doc->head, e);
	return r < 0 ? r : compatibility_check(rq->db, &rq->caller, sb->doc, e);
}

static int store_submission(struct request *rq, const struct submission *sb,
			    struct err *e)
{
	auto_json json_t *signers =
		document_list_signers(root_get(rq->context->root), sb->env);
	struct document_row row = {
		.env = sb->env,
		.head = &sb->doc->head,
		.state = sb->valid ? "valid" : "proposed",
		.submitter = rq->caller.name,
		.signers = signers,
		.threshold = sb->trust.threshold,
		.complete = true,
	};
	int r = 0;

	if (sb->doc->head.type == DOC_IMAGE)
		r = image_check_complete(rq->context->turn->blobs,
					 doc_as_image(sb->doc), &row.complete,
					 e);
	if (r == 0)
		r = document_store(rq->db, &row, e);
	if (r == 0 && sb->valid)
		r = snapshot_handle_document_change(rq->context->snapshots, e);
	return r;
}

static void report_submission(struct request *rq, const struct doc_head *h,
			      json_t *doc)
{
	char object[80];

	snprintf(object, sizeof(object), "%s/%s/%u", doc_type_name(h->type),
		 h->id, h->version);
	request_set_audit(rq, object, NULL, h->type == DOC_GROUP ? h->id : NULL,
			  NULL, json_deep_copy(doc));
	turn_queue_event(rq->context->turn, "document",
			 h->type == DOC_GROUP ? h->id : NULL,
			 json_deep_copy(doc));
}

int document_api_submit(struct request *rq, struct err *e)
{
	AUTO(submission_fini) struct submission sb = { 0 };
	char sha256[ENCODING_DIGEST_SIZE], state[16];
	json_t *answer = NULL;
	enum doc_type type = DOC_NONE;
	int r;

	if (!root_get(rq->context->root))
		return err_set(e, PROBLEM_CONFLICT,
			       "there is no root yet: submit one first");
	r = envelope_parse(rq->body ? rq->body : "", rq->len, &sb.env, e);
	if (r == 0)
		r = parse_document_type(rq, sb.env, &type, e);
	if (r == 0)
		r = document_merge_envelope(rq->db, sb.env, &sb.known, e);
	if (r == 0)
		r = check_submission(rq, type, &sb, e);
	if (r == 0)
		r = check_submitter_rights(rq, type, sb.doc->head.id, e);
	if (r < 0)
		return r;
	encoding_format_digest(sb.env->digest, sha256);
	r = load_document_state(rq, sha256, state, e);
	if (r == 0 && strcmp(state, "withdrawn") == 0)
		r = err_set(e, PROBLEM_CONFLICT, "it was withdrawn");
	if (r == 0)
		r = store_submission(rq, &sb, e);
	if (r == 0)
		r = document_api_load_json(rq, sha256, &answer, e);
	if (r < 0)
		return r;
	report_submission(rq, &sb.doc->head, answer);
	return request_answer_json(rq, sb.known ? 200 : 201, answer, e);
}

/* ---- lists */
static int build_document_json(struct request *rq, struct db_row *row,
			       json_t **ret, struct err *e)
{
	*ret = json_pack(
		"{s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:o, s:s}",
		"type", db_text(row, 1), "id", db_text(row, 2), "version",
		(json_int_t)db_int(row, 3), "sha256", db_text(row, 4), "state",
		db_text(row, 5), "issued",
		request_optional_time(db_int(row, 6)), "expires",
		request_optional_time(db_int(row, 7)), "signers",
		json_from_text(db_text(row, 8)), "threshold",
		(json_int_t)db_int(row, 9), "size", (json_int_t)db_int(row, 10),
		"submitted", request_optional_time(db_int(row, 11)), "by",
		db_text(row, 12));
	return *ret ? 0 : err_oom(e, "list documents");
}

/* A group's document is for those who may see the group. */
static bool is_hidden_from_caller(const struct request *rq, struct db_row *row)
{
	return strcmp(db_text(row, 1), "group") == 0 &&
	       !request_can_see_group(rq, db_text(row, 2));
}

int document_api_load_json(struct request *rq, const char *sha256, json_t **ret,
			   struct err *e)
{
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT " COLUMNS " FROM document WHERE sha256 = ?",
			 "s", sha256);

	if (r <= 0)
		return r;
	if (is_hidden_from_caller(rq, row))
		return 0;
	r = build_document_json(rq, row, ret, e);
	request_set_etag(rq, db_int(row, 13));
	return r < 0 ? r : 1;
}

int document_api_list(struct request *rq, struct err *e)
{
	static const struct filter_field fields[] = {
		{ "type", "type", FILTER_TEXT },
		{ "id", "id", FILTER_TEXT },
		{ "version", "version", FILTER_NUMBER },
		{ "state", "state", FILTER_TEXT },
		{ "sha256", "sha256", FILTER_TEXT },
		{ "issued", "issued", FILTER_TIME },
		{ "expires", "expires", FILTER_TIME },
		{ "submitted", "submitted", FILTER_TIME },
		{ "by", "submitter", FILTER_TEXT },
		{ NULL },
	};
	static const struct listing l = {
		.sql = "SELECT " COLUMNS " FROM document",
		.key = "number",
		.desc = true,
		.fields = fields,
		.row = build_document_json,
	};
	static const struct listing scoped = {
		.sql = "SELECT " COLUMNS " FROM document",
		.where = "type <> 'group' OR EXISTS (SELECT 1 FROM"
			 " json_each(?) WHERE value = document.id)",
		.key = "number",
		.desc = true,
		.fields = fields,
		.row = build_document_json,
	};
	auto_free char *groups = json_text(rq->caller.groups);
	const struct listing_value values[] = {
		{ .text = groups, .used = true }, { .used = false }
	};

	if (!groups)
		return err_oom(e, "list documents");
	if (json_array_size(rq->caller.groups) == 0)
		return listing_answer(rq, &l, NULL, e);
	return listing_answer(rq, &scoped, values, e);
}

static int set_not_found_error(struct err *e)
{
	return err_set(e, PROBLEM_NOT_FOUND, "there is no such document");
}

static int show_document(struct request *rq, const char *sha256, struct err *e)
{
	json_t *j = NULL;
	int r = document_api_load_json(rq, sha256, &j, e);

	return r < 0	? r
	       : r == 0 ? set_not_found_error(e)
			: request_answer_json(rq, 200, j, e);
}

static int show_document_envelope(struct request *rq, const char *sha256,
				  struct err *e)
{
	auto_json json_t *j = NULL;
	char *text = NULL;
	int r = document_api_load_json(rq, sha256, &j, e);

	if (r <= 0)
		return r < 0 ? r : set_not_found_error(e);
	r = document_load_envelope(rq->db, sha256, &text, e);
	return r < 0 ? r
		     : request_answer_text(rq, 200, "application/json", text,
					   e);
}

/* /{type}/{id}/{version}: a valid one before proposals of that version. */
static int find_document_version(struct request *rq,
				 char ret[ENCODING_DIGEST_SIZE], struct err *e)
{
	const char *version = rq->param[2];
	uint64_t number = 0;
	AUTO(db_done) struct db_row *row = NULL;
	int r;

	if (strcmp(version, "latest") == 0)
		r = db_first(rq->db, &row, e,
			     "SELECT sha256 FROM document WHERE type = ?"
			     " AND id = ? AND " DOCUMENT_IS_VALID
			     " ORDER BY version DESC LIMIT 1",
			     "ss", rq->param[0], rq->param[1]);
	else if (encoding_parse_number(version, INT32_MAX, &number) < 0)
		return set_not_found_error(e);
	else
		r = db_first(rq->db, &row, e,
			     "SELECT sha256 FROM document WHERE type = ?"
			     " AND id = ? AND version = ?"
			     " ORDER BY state IN ('proposed', 'withdrawn'),"
			     " number DESC LIMIT 1",
			     "ssi", rq->param[0], rq->param[1],
			     (int64_t)number);
	if (r <= 0)
		return r < 0 ? r : set_not_found_error(e);
	snprintf(ret, ENCODING_DIGEST_SIZE, "%s", db_text(row, 0));
	return 0;
}

int document_api_show(struct request *rq, struct err *e)
{
	return show_document(rq, rq->param[0], e);
}

int document_api_show_envelope(struct request *rq, struct err *e)
{
	return show_document_envelope(rq, rq->param[0], e);
}

int document_api_show_version(struct request *rq, struct err *e)
{
	char sha256[ENCODING_DIGEST_SIZE];
	int r = find_document_version(rq, sha256, e);

	return r < 0 ? r : show_document(rq, sha256, e);
}

int document_api_show_version_envelope(struct request *rq, struct err *e)
{
	char sha256[ENCODING_DIGEST_SIZE];
	int r = find_document_version(rq, sha256, e);

	return r < 0 ? r : show_document_envelope(rq, sha256, e);
}

int document_api_withdraw(struct request *rq, struct err *e)
{
	struct db *db = rq->db;
	json_t *before = NULL, *after = NULL;
	const char *state, *type;
	int64_t rev = 0;
	int r = document_api_load_json(rq, rq->param[0], &before, e);

	if (r <= 0)
		return r < 0 ? r : set_not_found_error(e);
	state = json_string_value(json_object_get(before, "state"));
	type = json_string_value(json_object_get(before, "type"));
	sscanf(rq->answer.etag, "\"%lld\"", (long long *)&rev);
	r = request_check_etag(rq, rev, e);
	if (r == 0)
		r = check_submitter_rights(rq, doc_type_from_name(type), NULL,
					   e);
	if (r == 0 && strcmp(state, "proposed") != 0 &&
	    strcmp(state, "valid") != 0)
		r = err_set(e, PROBLEM_CONFLICT,
			    "it is %s: only a higher version replaces it",
			    state);
	request_set_audit(rq, rq->param[0], NULL, NULL, before, NULL);
	if (r == 0)
		r = db_run(db, e,
			   "UPDATE document SET state = 'withdrawn',"
			   " rev = rev + 1 WHERE sha256 = ?",
			   "s", rq->param[0]);
	if (r == 0)
		r = snapshot_handle_document_change(rq->context->snapshots, e);
	if (r == 0)
		r = document_api_load_json(rq, rq->param[0], &after, e);
	return r < 0 ? r : request_answer_json(rq, 200, after, e);
}
