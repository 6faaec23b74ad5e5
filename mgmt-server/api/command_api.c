/* SPDX-License-Identifier: Apache-2.0 */
/* Actions as administrators make, see and cancel them. */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/document/trust.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/store/document.h"
#include "mgmt-server/store/json_column.h"
#include "mgmt-server/store/root.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define WAIT_MAX 60
#define COLUMNS                                                                \
	"SELECT number, device, id, sha256, type, action, vp, grp, state,"     \
	" reason, text, signers, threshold, created, expires, updated,"        \
	" creator, (SELECT json_object('epoch', r.epoch, 'seq', r.seq,"        \
	"  'type', r.type, 'time', json_extract(r.payload, '$.time'),"         \
	"  'details', json_extract(r.payload, '$.details')) FROM receipt AS r" \
	"  WHERE r.number = action.receipt), envelope, epoch, cancel FROM "    \
	"action"

static int build_command_json(struct request *rq, struct db_row *row,
			      json_t **ret, struct err *e)
{
	auto_json json_t *signers = NULL, *receipt = NULL;
	int r = json_column_read(row, 11, &signers, e);

	if (r == 0)
		r = json_column_read(row, 17, &receipt, e);
	if (r < 0)
		return r;
	*ret = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:o, s:O, s:I,"
		" s:o, s:o, s:o, s:s, s:O, s:b}",
		"device", db_text(row, 1), "id", db_text(row, 2), "sha256",
		db_text(row, 3), "type", db_text(row, 4), "action",
		db_text(row, 5), "vp",
		request_optional_string(db_text_or_null(row, 6)), "group",
		request_optional_string(db_text_or_null(row, 7)), "state",
		db_text(row, 8), "reason",
		request_optional_string(db_text_or_null(row, 9)), "text",
		request_optional_string(db_text_or_null(row, 10)), "signers",
		signers, "threshold", (json_int_t)db_int(row, 12), "created",
		request_optional_time(db_int(row, 13)), "expires",
		request_optional_time(db_int(row, 14)), "updated",
		request_optional_time(db_int(row, 15)), "by", db_text(row, 16),
		"receipt", receipt, "cancel", db_bool(row, 20));
	return *ret ? 0 : err_oom(e, "list actions");
}

int command_api_list(struct request *rq, struct err *e)
{
	static const struct filter_field fields[] = {
		{ "id", "id", FILTER_TEXT },
		{ "action", "action", FILTER_TEXT },
		{ "vp", "vp", FILTER_TEXT },
		{ "state", "state", FILTER_TEXT },
		{ "created", "created", FILTER_TIME },
		{ NULL },
	};
	static const struct listing l = {
		.sql = COLUMNS,
		.where = "device = ?",
		.key = "number",
		.desc = true,
		.fields = fields,
		.row = build_command_json,
	};
	const struct listing_value values[] = {
		{ .text = rq->param[0], .used = true }, { .used = false }
	};
	char group[DOC_ID_SIZE];
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	return r < 0 ? r : listing_answer(rq, &l, values, e);
}

/* 1 found, 0 none. */
static int load_command_json(struct request *rq, const char *id, json_t **ret,
			     char ret_envelope_digest[ENCODING_DIGEST_SIZE],
			     struct err *e)
{
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, COLUMNS " WHERE device = ? AND id = ?",
			 "ss", rq->param[0], id);

	if (r <= 0)
		return r;
	r = build_command_json(rq, row, ret, e);
	if (ret_envelope_digest)
		snprintf(ret_envelope_digest, ENCODING_DIGEST_SIZE, "%s",
			 db_text(row, 3));
	return r < 0 ? r : 1;
}

static const char *get_command_state(json_t *action)
{
	return json_string_value(json_object_get(action, "state"));
}

static bool is_command_finished(json_t *action)
{
	static const char *const ends[] = { "done", "refused", "expired",
					    "cancelled" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strcmp(get_command_state(action), ends[i]) == 0)
			return true;
	return false;
}

int command_api_show(struct request *rq, struct err *e)
{
	char group[DOC_ID_SIZE];
	json_t *j = NULL;
	uint64_t wait = 0;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = request_get_number(rq, "wait", 0, WAIT_MAX, &wait, e);
	if (r == 0)
		r = load_command_json(rq, rq->param[1], &j, NULL, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no such action");
	if (wait > 0 && !rq->wait_until)
		rq->wait_until =
			(int64_t)(clock_mono_ns() / 1000000000) + (int64_t)wait;
	if (!is_command_finished(j) &&
	    rq->wait_until > (int64_t)(clock_mono_ns() / 1000000000)) {
		json_decref(j);
		return 1; /* held */
	}
	return request_answer_json(rq, 200, j, e);
}

/* ---- making */
struct new_command {
	struct envelope *env;
	struct doc *doc;
	struct threshold_result trust;
	const char *device, *epoch, *vp, *group, *action;
	int64_t ttl;
	bool valid, known;
	char sha256[ENCODING_DIGEST_SIZE];
};

static void new_command_fini(struct new_command *o)
{
	envelope_free(o->env);
	doc_free(o->doc);
}

static void set_command_fields(struct new_command *o)
{
	if (o->doc->head.type == DOC_COMMAND) {
		const struct doc_command *c = doc_as_command(o->doc);

		o->device = c->device;
		o->epoch = c->epoch;
		o->vp = c->vp[0] ? c->vp : NULL;
		o->action = doc_action_name(c->action);
	} else {
		const struct doc_membership *m = doc_as_membership(o->doc);

		o->device = m->device;
		o->epoch = m->epoch;
		o->group = m->group;
		o->action = "move";
	}
}

/* The same words with which the device would refuse. */
static int check_new_command(struct request *rq, const struct new_command *o,
			     struct err *e)
{
	enum right need = o->group ? RIGHT_POLICY : RIGHT_OPERATE;
	char epoch[33];
	int r;

	assert(o->device && o->epoch);
	if (!(rq->caller.rights & need))
		return err_set(e, PROBLEM_FORBIDDEN, "role %s may not do this",
			       rq->caller.role);
	if (strcmp(o->doc->head.org, rq->context->org) != 0)
		return err_reason(e, REASON_WRONG_ORG, "org '%s', not '%s'",
				  o->doc->head.org, rq->context->org);
	if (strcmp(o->device, rq->param[0]) != 0)
		return err_reason(e, REASON_WRONG_DEVICE, "it is for device %s",
				  o->device);
	r = device_get_epoch(rq->db, o->device, epoch, e);
	if (r == -ENOENT)
		return err_set(e, PROBLEM_CONFLICT, "the device is retired");
	if (r < 0)
		return r;
	if (strcmp(epoch, o->epoch) != 0)
		return err_reason(e, REASON_EPOCH,
				  "it is for epoch %s, the device is in %s",
				  o->epoch, epoch);
	if (o->group && !request_can_see_group(rq, o->group))
		return err_set(e, PROBLEM_FORBIDDEN,
			       "the token is not for group %s", o->group);
	return document_check_times(&o->doc->head, e);
}

static int verify_command_envelope(struct request *rq, struct new_command *o,
				   struct err *e)
{
	const struct doc_root *root = root_get(rq->context->root);
	enum doc_type type = doc_type_from_payload_type(o->env->type);
	int r;

	if (!root)
		return err_set(e, PROBLEM_CONFLICT, "there is no root yet");
	if (type != DOC_COMMAND && type != DOC_MEMBERSHIP)
		return err_set(e, EINVAL, "it is not a command or membership");
	r = trust_open(root, o->env, &o->doc, &o->trust, e);
	o->valid = r == 0;
	if (r < 0 && document_needs_signatures(o->env, e))
		r = doc_parse(type, o->env->payload, o->env->payload_len,
			      &o->doc, e);
	if (r < 0)
		return r;
	document_remove_bad_signatures(root, o->trust.signers, o->env);
	/* A wipe that only operators signed says the threshold it needs. */
	if (type == DOC_COMMAND)
		o->trust.threshold =
			root->role[doc_action_role(
					   doc_as_command(o->doc)->action)]
				.threshold;
	set_command_fields(o);
	return check_new_command(rq, o, e);
}

/* Merges with the action of the same id, which must be the same bytes. */
static int merge_command_signatures(struct request *rq, struct new_command *o,
				    struct err *e)
{
	AUTO(envelope_freep) struct envelope *old = NULL;
	struct db *db = rq->db;
	auto_free char *text = NULL;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT envelope FROM action WHERE device = ? AND"
			 " sha256 = ?",
			 "ss", rq->param[0], o->sha256);

	if (r <= 0)
		return r;
	o->known = true;
	r = db_copy_text(row, 0, &text, e);
	if (r < 0)
		return r;
	r = envelope_parse(text, strlen(text), &old, e);
	return r < 0 ? r : envelope_merge(o->env, old, e);
}

static int check_command_id(struct request *rq, const struct new_command *o,
			    struct err *e)
{
	struct db *db = rq->db;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT 1 FROM action WHERE device = ? AND id = ?"
			 " AND sha256 <> ?",
			 "sss", rq->param[0], o->doc->head.id, o->sha256);

	return r <= 0 ? r
		      : err_reason(e, REASON_REPLAY,
				   "id '%s' was used with other bytes",
				   o->doc->head.id);
}

static int store_new_command(struct request *rq, const struct new_command *o,
			     struct err *e)
{
	const struct doc_head *h = &o->doc->head;
	auto_json json_t *names =
		document_list_signers(root_get(rq->context->root), o->env);
	auto_free char *signers = json_text(names), *text = NULL;
	int64_t now = clock_wall(), expires = h->expires;
	int r = envelope_text(o->env, &text, e);

	if (r < 0)
		return r;
	if (!signers)
		return err_oom(e, "make an action");
	if (o->ttl > 0 && now + o->ttl < expires)
		expires = now + o->ttl;
	return db_run(
		rq->db, e,
		"INSERT INTO action (device, epoch, id, sha256, type, action,"
		" vp, grp, state, signers, threshold, created, expires,"
		" document_expires, updated, creator, envelope)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		" ON CONFLICT (device, id) DO UPDATE SET"
		" signers = excluded.signers, envelope = excluded.envelope,"
		" updated = excluded.updated, state = CASE action.state WHEN"
		" 'proposed' THEN excluded.state ELSE action.state END",
		"ssssssssssiiiiiss", o->device, o->epoch, h->id, o->sha256,
		doc_type_name(h->type), o->action, o->vp, o->group,
		o->valid ? "pending" : "proposed", signers,
		(int64_t)o->trust.threshold, now, expires, h->expires, now,
		rq->caller.name, text);
}

/* To the device at once if it is there. */
static int send_command_now(struct request *rq, const struct new_command *o,
			    struct err *e)
{
	struct device_channel *c =
		connections_find(rq->context->connections, o->device);
	auto_free char *text = NULL;
	int r = db_run(rq->db, e,
		       "UPDATE action SET state = 'sent' WHERE device = ? AND"
		       " sha256 = ? AND state = 'pending' AND ?",
		       "ssi", o->device, o->sha256, (int64_t)(c && c->hello));

	if (r < 0 || db_changed(rq->db) == 0)
		return r;
	r = envelope_text(o->env, &text, e);
	return r < 0 ? r : device_channel_send_command(c, text, o->sha256, e);
}

int command_api_create(struct request *rq, struct err *e)
{
	AUTO(new_command_fini) struct new_command o = { 0 };
	json_t *envelope = NULL, *answer = NULL;
	const struct json_member table[] = {
		{ "envelope", JSON_OBJECT, false, &envelope },
		{ "ttl", JSON_INTEGER, true, &o.ttl },
		{ NULL },
	};
	char group[DOC_ID_SIZE];
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = request_parse_body(rq, table, e);
	if (r < 0)
		return r;
	r = envelope_from_json(envelope, &o.env, e);
	if (r < 0)
		return r;
	encoding_format_digest(o.env->digest, o.sha256);
	r = merge_command_signatures(rq, &o, e);
	if (r == 0)
		r = verify_command_envelope(rq, &o, e);
	if (r == 0)
		r = check_command_id(rq, &o, e);
	if (r == 0)
		r = store_new_command(rq, &o, e);
	if (r == 0)
		r = send_command_now(rq, &o, e);
	if (r == 0)
		r = load_command_json(rq, o.doc->head.id, &answer, NULL, e);
	if (r < 0)
		return r;
	rq->context->turn->commands_changed++;
	request_set_audit(rq, o.doc->head.id, o.device, group, NULL,
			  json_deep_copy(answer));
	turn_queue_event(rq->context->turn, "action", group,
			 json_deep_copy(answer));
	return request_answer_json(rq, o.known ? 200 : 201, answer, e);
}

int command_api_cancel(struct request *rq, struct err *e)
{
	struct device_channel *c =
		connections_find(rq->context->connections, rq->param[0]);
	char group[DOC_ID_SIZE], sha256[ENCODING_DIGEST_SIZE];
	json_t *before = NULL, *after = NULL;
	bool sent;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = load_command_json(rq, rq->param[1], &before, sha256, e);
	if (r == 0)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no such action");
	if (r < 0)
		return r;
	request_set_audit(rq, rq->param[1], rq->param[0], group, before, NULL);
	if (is_command_finished(before))
		return err_set(e, PROBLEM_CONFLICT, "it is %s already",
			       get_command_state(before));
	sent = strcmp(get_command_state(before), "sent") == 0 ||
	       strcmp(get_command_state(before), "received") == 0;
	r = db_run(rq->db, e,
		   "UPDATE action SET cancel = 1, updated = ?, state = CASE"
		   " WHEN state IN ('proposed', 'pending') THEN 'cancelled'"
		   " ELSE state END WHERE device = ? AND id = ?",
		   "iss", clock_wall(), rq->param[0], rq->param[1]);
	if (r == 0 && sent && c && c->hello)
		r = device_channel_send_cancel(c, sha256, e);
	if (r == 0)
		r = load_command_json(rq, rq->param[1], &after, NULL, e);
	if (r < 0)
		return r;
	rq->context->turn->commands_changed++;
	turn_queue_event(rq->context->turn, "action", group,
			 json_deep_copy(after));
	return request_answer_json(rq, 200, after, e);
}
