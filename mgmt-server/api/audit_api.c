/* SPDX-License-Identifier: Apache-2.0 */
/* The audit tree as auditors read it: entries, heads, proofs, export. */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/store/pki.h"

#include <errno.h>
#include <string.h>

#define EXPORT_AT_ONCE 64

static int build_entry_json(struct request *rq, struct db_row *row,
			    json_t **ret, struct err *e)
{
	*ret = json_pack("{s:I, s:o, s:s}", "index", (json_int_t)db_int(row, 0),
			 "entry", json_from_text(db_text(row, 1)), "text",
			 db_text(row, 1));
	return *ret ? 0 : err_oom(e, "list the audit");
}

int audit_api_list(struct request *rq, struct err *e)
{
	static const struct filter_field fields[] = {
		{ "index", "number", FILTER_NUMBER },
		{ "time", "time", FILTER_TIME },
		{ "who", "who", FILTER_TEXT },
		{ "from", "source", FILTER_TEXT },
		{ "action", "action", FILTER_TEXT },
		{ "object", "object", FILTER_TEXT },
		{ "device", "device", FILTER_TEXT },
		{ "group", "grp", FILTER_TEXT },
		{ "outcome", "outcome", FILTER_TEXT },
		{ NULL },
	};
	static const struct listing l = {
		.sql = "SELECT number, text FROM leaf",
		.key = "number",
		.scope = "coalesce(grp, (SELECT grp FROM device WHERE"
			 " device.id = leaf.device))",
		.fields = fields,
		.row = build_entry_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

int audit_api_show_head(struct request *rq, struct err *e)
{
	char *text = NULL;
	int r = turn_refresh_state(rq->context->turn, e);

	if (r == 0)
		r = audit_log_sign_head(
			&rq->context->turn->tree, rq->context->org,
			pki_director_key(rq->context->pki), &text, e);
	return r < 0 ? r
		     : request_answer_text(rq, 200, "application/json", text,
					   e);
}

static int parse_number_pair(struct request *rq, const char *a, uint64_t *ret_a,
			     const char *b, uint64_t *ret_b, struct err *e)
{
	int r;

	if (!request_get_argument(rq, a) || !request_get_argument(rq, b))
		return err_set(e, EINVAL, "%s and %s are needed", a, b);
	r = request_get_number(rq, a, 0, INT64_MAX, ret_a, e);
	return r < 0 ? r : request_get_number(rq, b, 0, INT64_MAX, ret_b, e);
}

static int load_leaf_text(struct request *rq, uint64_t index, json_t **ret,
			  struct err *e)
{
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, "SELECT text FROM leaf WHERE number = ?1",
			 "i", (int64_t)index);

	if (r < 0)
		return r;
	*ret = r > 0 ? json_string(db_text(row, 0)) : json_null();
	return 0;
}

/* Somebody who may see some groups only does not get any entry's text. */
static int check_unscoped_caller(const struct request *rq, struct err *e)
{
	return json_array_size(rq->caller.groups) == 0
		       ? 0
		       : err_set(e, PROBLEM_FORBIDDEN,
				 "the token is for some groups only");
}

int audit_api_prove_inclusion(struct request *rq, struct err *e)
{
	json_t *path = NULL, *text = NULL;
	uint64_t index = 0, size = 0;
	int r = check_unscoped_caller(rq, e);

	if (r == 0)
		r = parse_number_pair(rq, "index", &index, "size", &size, e);
	if (r == 0)
		r = audit_log_prove_inclusion(rq->db, &rq->context->turn->tree,
					      index, size, &path, e);
	if (r == 0)
		r = load_leaf_text(rq, index, &text, e);
	if (r < 0) {
		json_decref(path);
		return r;
	}
	return request_answer_json(
		rq, 200,
		json_pack("{s:I, s:I, s:o, s:o}", "index", (json_int_t)index,
			  "size", (json_int_t)size, "text", text, "path", path),
		e);
}

int audit_api_prove_consistency(struct request *rq, struct err *e)
{
	uint64_t first = 0, second = 0;
	json_t *path = NULL;
	int r = parse_number_pair(rq, "first", &first, "second", &second, e);

	if (r == 0)
		r = audit_log_prove_consistency(rq->db,
						&rq->context->turn->tree, first,
						second, &path, e);
	if (r < 0)
		return r;
	return request_answer_json(rq, 200,
				   json_pack("{s:I, s:I, s:o}", "first",
					     (json_int_t)first, "second",
					     (json_int_t)second, "path", path),
				   e);
}

/* ---- a restore, accepted */
#define REASON_MAX 500

/* What somebody saw before and what they accept now; not ours to believe. */
static int check_tree_position(json_t *mark, struct err *e)
{
	const char *root = NULL;
	int64_t size = 0;
	const struct json_member table[] = {
		{ "size", JSON_INTEGER, false, &size },
		{ "root", JSON_STRING, false, &root },
		{ NULL },
	};
	uint8_t digest[HASH_SIZE];
	int r = json_read_object(mark, table, true, "audit-restored", e);

	if (r == 0 && (size < 0 || encoding_parse_digest(root, digest) < 0))
		return err_set(e, EINVAL,
			       "before and after have a size and a root");
	return r;
}

/* The entry itself is the one that each write leaves. */
int audit_api_record_restore(struct request *rq, struct err *e)
{
	const char *reason = NULL, *device = NULL;
	json_t *before = NULL, *after = NULL;
	const struct json_member table[] = {
		{ "reason", JSON_STRING, false, &reason },
		{ "before", JSON_OBJECT, false, &before },
		{ "after", JSON_OBJECT, false, &after },
		{ "device", JSON_STRING, true, &device },
		{ NULL },
	};
	char group[DOC_ID_SIZE];
	int r = request_parse_body(rq, table, e);

	if (r == 0)
		r = device ? device_check_visible(rq->db, &rq->caller, device,
						  group, e)
			   : check_unscoped_caller(rq, e);
	if (r == 0)
		r = check_tree_position(before, e);
	if (r == 0)
		r = check_tree_position(after, e);
	if (r == 0 && (!*reason || strlen(reason) > REASON_MAX))
		return err_set(e, EINVAL, "reason: 1 to %d bytes", REASON_MAX);
	if (r < 0)
		return r;
	request_set_audit(rq, device ? device : "audit", device,
			  device ? group : NULL, json_incref(before),
			  json_pack("{s:O*, s:O*, s:s}", "size",
				    json_object_get(after, "size"), "root",
				    json_object_get(after, "root"), "reason",
				    reason));
	return request_answer_json(rq, 201,
				   json_pack("{s:s}", "reason", reason), e);
}

/* ---- export */
static const char *const formats[] = { "jsonl", "cef", "syslog" };

/* ArcSight CEF:0: | and \ of the head, = and \ of the fields are escaped. */
static void write_escaped_text(FILE *f, const char *s, char special)
{
	for (; s && *s; s++) {
		if (*s == special || *s == '\\')
			fputc('\\', f);
		fputc((unsigned char)*s < ' ' ? ' ' : *s, f);
	}
}

static void write_cef_entry(FILE *f, json_t *j, int64_t index)
{
	static const struct {
		const char *cef, *name;
	} fields[] = {
		{ "rt", "time" },
		{ "suser", "who" },
		{ "src", "from" },
		{ "outcome", "outcome" },
		{ "deviceExternalId", "device" },
		{ "cs1", "object" },
		{ "cs2", "group" },
	};
	bool ok = strcmp(json_get_string(j, "outcome"), "ok") == 0;

	fprintf(f, "CEF:0|Cells|cells-mgmtd|%s|", VERSION);
	write_escaped_text(f, json_get_string(j, "action"), '|');
	fputc('|', f);
	write_escaped_text(f, json_get_string(j, "action"), '|');
	fprintf(f, "|%d|externalId=%lld", ok ? 3 : 6, (long long)index);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!*json_get_string(j, fields[i].name))
			continue;
		fprintf(f, " %s=", fields[i].cef);
		write_escaped_text(f, json_get_string(j, fields[i].name), '=');
	}
	fputc('\n', f);
}

/* RFC 5424: facility 13 (log audit), severity notice or warning. */
static void write_syslog_entry(FILE *f, json_t *j, const char *text)
{
	bool ok = strcmp(json_get_string(j, "outcome"), "ok") == 0;

	fprintf(f, "<%d>1 %s - cells-mgmtd - %s - %s\n", 13 * 8 + (ok ? 5 : 4),
		json_get_string(j, "time"), json_get_string(j, "action"), text);
}

static void write_export_entry(FILE *f, unsigned int format, int64_t index,
			       const char *text)
{
	auto_json json_t *j = format ? json_from_text(text) : NULL;

	if (format == 0)
		fprintf(f, "%s\n", text);
	else if (format == 1)
		write_cef_entry(f, j, index);
	else
		write_syslog_entry(f, j, text);
}

/* A bounded piece a time; the place in the tree is the whole state. */
static int export_next_entries(struct request *rq, char **ret, struct err *e)
{
	struct answer *a = &rq->answer;
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	size_t len;
	FILE *f;
	int r = db_query(db, &row, e,
			 "SELECT number, text FROM leaf WHERE number >= ? AND"
			 " number < ? ORDER BY number LIMIT ?",
			 "iii", (int64_t)a->more_from, (int64_t)a->more_to,
			 (int64_t)EXPORT_AT_ONCE);

	*ret = NULL;
	if (r < 0 || a->more_from >= a->more_to)
		return r;
	f = open_memstream(ret, &len);
	if (!f)
		return err_oom(e, "export");
	while (db_next(row, &r, e)) {
		a->more_from = (uint64_t)db_int(row, 0) + 1;
		write_export_entry(f, a->more_format, (int64_t)a->more_from - 1,
				   db_text(row, 1));
	}
	/* What it had no memory for would be missing in the middle. */
	if (fclose(f) != 0 && r == 0)
		r = err_oom(e, "export");
	if (r < 0 || len == 0) {
		free(*ret);
		*ret = NULL;
	}
	return r;
}

int audit_api_export(struct request *rq, struct err *e)
{
	const char *format = request_get_argument(rq, "format");
	struct answer *a = &rq->answer;
	int r = check_unscoped_caller(rq, e);

	a->more_from = 0;
	a->more_to = rq->context->turn->tree.size;
	if (r == 0)
		r = request_get_number(rq, "from", 0, INT64_MAX, &a->more_from,
				       e);
	if (r == 0)
		r = request_get_number(rq, "to", 0, INT64_MAX, &a->more_to, e);
	if (r < 0)
		return r;
	for (a->more_format = 0; format && a->more_format < ARRAY_SIZE(formats);
	     a->more_format++)
		if (strcmp(formats[a->more_format], format) == 0)
			break;
	if (a->more_format == ARRAY_SIZE(formats))
		return err_set(e, EINVAL, "format is jsonl, cef or syslog");
	if (a->more_to > rq->context->turn->tree.size)
		a->more_to = rq->context->turn->tree.size;
	a->more = export_next_entries;
	a->type = a->more_format ? "text/plain; charset=utf-8"
				 : "application/jsonl";
	a->status = 200;
	return 0;
}
