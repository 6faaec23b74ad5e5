/* SPDX-License-Identifier: Apache-2.0 */
/* Devices as administrators see and change them. */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/store/json_column.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_LEN 64
#define LABELS_MAX 4096

#define COLUMNS                                                                \
	"SELECT id, name, labels, grp, state, epoch, enrolled, seen,"          \
	" compliant, enforcement, foreground, snapshot, reported, rev,"        \
	" (SELECT checked FROM epoch AS p WHERE p.device = device.id"          \
	"  AND p.epoch = device.epoch),"                                       \
	" (SELECT receipt_seq FROM epoch AS p WHERE p.device = device.id"      \
	"  AND p.epoch = device.epoch),"                                       \
	" (SELECT audit_seq FROM epoch AS p WHERE p.device = device.id"        \
	"  AND p.epoch = device.epoch),"                                       \
	" (SELECT json_extract(payload, '$.details.documents') FROM receipt"   \
	"  WHERE receipt.device = device.id AND"                               \
	"  receipt.epoch = device.epoch AND describes"                         \
	"  ORDER BY seq DESC LIMIT 1)"                                         \
	" FROM device"

static json_t *build_optional_bool(struct db_row *row, int column)
{
	return db_is_null(row, column) ? json_null()
				       : json_boolean(db_bool(row, column));
}

static json_t *build_integer_json(struct db_row *row, int column)
{
	return json_integer(db_int(row, column));
}

static int build_device_json(struct request *rq, struct db_row *row,
			     json_t **ret, struct err *e)
{
	const char *id = db_text(row, 0);
	const struct device_channel *c =
		connections_find(rq->context->connections, id);
	auto_json json_t *labels = NULL, *reported = NULL, *alarms = NULL,
			 *documents = NULL;
	int r = json_column_read(row, 2, &labels, e);

	if (r == 0)
		r = json_column_read(row, 12, &reported, e);
	if (r == 0)
		r = json_column_read(row, 17, &documents, e);
	if (r == 0)
		r = alarm_list(rq->db, id, &alarms, e);
	if (r < 0)
		return r;
	if (c && json_is_object(reported))
		request_set_member(reported, "progress",
				   device_channel_build_progress(c));
	*ret = json_pack(
		"{s:s, s:s, s:O, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o,"
		" s:O, s:b, s:o, s:o, s:o, s:O, s:O}",
		"id", id, "name", db_text(row, 1), "labels", labels, "group",
		db_text(row, 3), "state", db_text(row, 4), "epoch",
		db_text(row, 5), "enrolled",
		request_optional_time(db_int(row, 6)), "seen",
		request_optional_time(db_int(row, 7)), "compliant",
		build_optional_bool(row, 8), "enforcement",
		request_optional_string(db_text_or_null(row, 9)), "foreground",
		request_optional_string(db_text_or_null(row, 10)), "snapshot",
		build_integer_json(row, 11), "reported", reported, "connected",
		c != NULL, "checked", build_optional_bool(row, 14), "receipts",
		build_integer_json(row, 15), "audit",
		build_integer_json(row, 16), "alarms", alarms, "documents",
		documents);
	return *ret ? 0 : err_oom(e, "show a device");
}

int device_api_list(struct request *rq, struct err *e)
{
	static const struct filter_field fields[] = {
		{ "id", "id", FILTER_TEXT },
		{ "name", "name", FILTER_TEXT },
		{ "group", "grp", FILTER_TEXT },
		{ "state", "state", FILTER_TEXT },
		{ "connected", "connected(id)", FILTER_BOOL },
		{ "compliant", "compliant", FILTER_BOOL },
		{ "enforcement", "enforcement", FILTER_TEXT },
		{ "enrolled", "enrolled", FILTER_TIME },
		{ "seen", "seen", FILTER_TIME },
		{ "label.", "labels", FILTER_LABEL },
		{ NULL },
	};
	static const struct listing l = {
		.sql = COLUMNS,
		.key = "id",
		.key_is_text = true,
		.scope = "grp",
		.fields = fields,
		.row = build_device_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

/* The device as it is now; its ETag too. */
static int load_device_json(struct request *rq, json_t **ret, int64_t *ret_rev,
			    struct err *e)
{
	struct db *db = rq->db;
	char group[DOC_ID_SIZE];
	AUTO(db_done) struct db_row *row = NULL;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = db_first(db, &row, e, COLUMNS " WHERE id = ?", "s",
			     rq->param[0]);
	if (r < 0)
		return r;
	r = build_device_json(rq, row, ret, e);
	*ret_rev = db_int(row, 13);
	request_set_etag(rq, *ret_rev);
	return r;
}

int device_api_show(struct request *rq, struct err *e)
{
	json_t *j = NULL;
	int64_t rev = 0;
	int r = load_device_json(rq, &j, &rev, e);

	return r < 0 ? r : request_answer_json(rq, 200, j, e);
}

/* After a change: what it is now, for the answer, the audit and subscribers. */
static int answer_changed_device(struct request *rq, json_t *before,
				 struct err *e)
{
	json_t *after = NULL;
	const char *group;
	int64_t rev = 0;
	int r = load_device_json(rq, &after, &rev, e);

	if (r < 0) {
		json_decref(before);
		return r;
	}
	group = json_string_value(json_object_get(after, "group"));
	request_set_audit(rq, rq->param[0], rq->param[0], group, before,
			  json_deep_copy(after));
	turn_queue_event(rq->context->turn, "device", group,
			 json_deep_copy(after));
	return request_answer_json(rq, 200, after, e);
}

static int merge_device_labels(json_t *labels, json_t *change, struct err *e)
{
	const char *name;
	json_t *value;

	json_object_foreach (change, name, value) {
		if (!encoding_is_valid_id(name) ||
		    (!json_is_string(value) && !json_is_null(value)))
			return err_set(e, EINVAL,
				       "labels are ids with texts, or null");
		if (json_is_null(value))
			json_object_del(labels, name);
		else
			json_object_set(labels, name, value);
	}
	return 0;
}

static int update_device_row(struct request *rq, json_t *before,
			     const char *name, json_t *labels, struct err *e)
{
	auto_json json_t *merged =
		json_deep_copy(json_object_get(before, "labels"));
	auto_free char *text = NULL;
	int r = merge_device_labels(merged, labels, e);

	if (r < 0)
		return r;
	if (!name)
		name = json_string_value(json_object_get(before, "name"));
	if (!*name || strlen(name) > NAME_MAX_LEN)
		return err_set(e, EINVAL, "a name has 1 to %d bytes",
			       NAME_MAX_LEN);
	text = json_text(merged);
	if (!text)
		return err_oom(e, "change a device");
	if (strlen(text) > LABELS_MAX)
		return err_set(e, EINVAL, "labels: more than %d bytes",
			       LABELS_MAX);
	return db_run(rq->db, e,
		      "UPDATE device SET name = ?, labels = ?, rev = rev + 1"
		      " WHERE id = ?",
		      "sss", name, text, rq->param[0]);
}

int device_api_update(struct request *rq, struct err *e)
{
	json_t *before = NULL, *labels = NULL;
	const char *name = NULL;
	const struct json_member table[] = {
		{ "name", JSON_STRING, true, &name },
		{ "labels", JSON_OBJECT, true, &labels },
		{ NULL },
	};
	int64_t rev = 0;
	int r = load_device_json(rq, &before, &rev, e);

	if (r == 0)
		r = request_check_etag(rq, rev, e);
	if (r == 0)
		r = request_parse_body(rq, table, e);
	if (r == 0)
		r = update_device_row(rq, before, name, labels, e);
	if (r < 0) {
		json_decref(before);
		return r;
	}
	return answer_changed_device(rq, before, e);
}

int device_api_retire(struct request *rq, struct err *e)
{
	json_t *before = NULL;
	int64_t rev = 0;
	int r = load_device_json(rq, &before, &rev, e);

	if (r == 0)
		r = request_check_etag(rq, rev, e);
	if (r == 0)
		r = db_run(rq->db, e,
			   "UPDATE device SET state = 'retired',"
			   " rev = rev + 1 WHERE id = ?",
			   "s", rq->param[0]);
	if (r == 0)
		r = db_run(rq->db, e,
			   "UPDATE action SET state = 'cancelled', updated = ?,"
			   " text = 'the device was retired' WHERE device = ?"
			   " AND state IN ('proposed', 'pending')",
			   "is", clock_wall(), rq->param[0]);
	if (r < 0) {
		json_decref(before);
		return r;
	}
	connections_close_device(rq->context->connections, rq->param[0]);
	rq->context->turn->commands_changed++;
	return answer_changed_device(rq, before, e);
}

static json_t *build_base64_json(struct db_row *row, int column)
{
	size_t len;
	const void *data = db_blob(row, column, &len);
	auto_free char *text = encoding_to_base64(data, len);

	return json_string(text ? text : "");
}

static int list_device_keys(struct request *rq, json_t **ret, struct err *e)
{
	struct db *db = rq->db;
	auto_json json_t *items = json_array();
	char group[DOC_ID_SIZE];
	AUTO(db_done) struct db_row *row = NULL;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = db_query(db, &row, e,
			     "SELECT epoch, identity_spki, receipt_spki,"
			     " identity_cert, receipt_cert, bind, enrolment,"
			     " enrolled, checked FROM epoch WHERE device = ?"
			     " ORDER BY enrolled DESC",
			     "s", rq->param[0]);
	if (r < 0)
		return r;
	while (db_next(row, &r, e))
		json_array_append_new(
			items,
			json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s, s:s,"
				  " s:o, s:o}",
				  "device", rq->param[0], "epoch",
				  db_text(row, 0), "identity_spki",
				  build_base64_json(row, 1), "receipt_spki",
				  build_base64_json(row, 2), "identity_cert",
				  db_text(row, 3), "receipt_cert",
				  db_text(row, 4), "bind", db_text(row, 5),
				  "enrolment", db_text(row, 6), "enrolled",
				  request_optional_time(db_int(row, 7)),
				  "checked", build_optional_bool(row, 8)));
	if (r < 0)
		return r;
	*ret = steal(items);
	return 0;
}

int device_api_list_keys(struct request *rq, struct err *e)
{
	json_t *items = NULL;
	int r = list_device_keys(rq, &items, e);

	return r < 0 ? r : request_answer_list(rq, items, NULL, e);
}

int device_api_record_key_check(struct request *rq, struct err *e)
{
	const char *epoch = NULL;
	bool bound = false;
	const struct json_member table[] = {
		{ "epoch", JSON_STRING, false, &epoch },
		{ "bound", JSON_TRUE, false, &bound },
		{ NULL },
	};
	char group[DOC_ID_SIZE];
	json_t *items = NULL;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = request_parse_body(rq, table, e);
	if (r == 0)
		r = db_run(rq->db, e,
			   "UPDATE epoch SET checked = ? WHERE device = ?"
			   " AND epoch = ?",
			   "iss", (int64_t)bound, rq->param[0], epoch);
	if (r < 0)
		return r;
	if (db_changed(rq->db) == 0)
		return err_set(e, PROBLEM_NOT_FOUND,
			       "the device has no epoch %.40s", epoch);
	if (!bound)
		r = alarm_record(rq->context->turn, rq->param[0],
				 "the enrollment token does not vouch for the "
				 "device's keys",
				 e);
	request_set_audit(
		rq, rq->param[0], rq->param[0], group, NULL,
		json_pack("{s:s, s:b}", "epoch", epoch, "bound", bound));
	if (r == 0)
		r = list_device_keys(rq, &items, e);
	return r < 0 ? r : request_answer_list(rq, items, NULL, e);
}
