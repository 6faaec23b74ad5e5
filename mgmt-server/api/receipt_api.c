/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts, records and batches as administrators read them. */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/store/json_column.h"

static int list_device_rows(struct request *rq, const struct listing *l,
			    struct err *e)
{
	const struct listing_value values[] = {
		{ .text = rq->param[0], .used = true }, { .used = false }
	};
	char group[DOC_ID_SIZE];
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	return r < 0 ? r : listing_answer(rq, l, values, e);
}

static int build_stored_receipt_json(struct request *rq, struct db_row *row,
				     json_t **ret, struct err *e)
{
	auto_json json_t *payload = NULL, *envelope = NULL;
	int r = json_column_read(row, 9, &payload, e);

	if (r == 0)
		r = json_column_read(row, 10, &envelope, e);
	if (r < 0)
		return r;
	*ret = json_pack(
		"{s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:s, s:O, s:O}", "epoch",
		db_text(row, 1), "seq", (json_int_t)db_int(row, 2), "type",
		db_text(row, 3), "time", request_optional_time(db_int(row, 4)),
		"vp", request_optional_string(db_text_or_null(row, 5)),
		"reason", request_optional_string(db_text_or_null(row, 6)),
		"received", request_optional_time(db_int(row, 7)), "sha256",
		db_text(row, 8), "receipt", payload, "envelope", envelope);
	return *ret ? 0 : err_oom(e, "list receipts");
}

int receipt_api_list_receipts(struct request *rq, struct err *e)
{
	static const struct filter_field fields[] = {
		{ "seq", "seq", FILTER_NUMBER },
		{ "type", "type", FILTER_TEXT },
		{ "time", "time", FILTER_TIME },
		{ "vp", "vp", FILTER_TEXT },
		{ "reason", "reason", FILTER_TEXT },
		{ "epoch", "epoch", FILTER_TEXT },
		{ "document", "document", FILTER_TEXT },
		{ "command", "command", FILTER_TEXT },
		{ "describes", "describes", FILTER_BOOL },
		{ NULL },
	};
	static const struct listing l = {
		.sql = "SELECT number, epoch, seq, type, time, vp, reason,"
		       " received, sha256, payload, envelope FROM receipt",
		.where = "device = ?",
		.key = "number",
		.fields = fields,
		.row = build_stored_receipt_json,
	};

	return list_device_rows(rq, &l, e);
}

static int build_audit_record_json(struct request *rq, struct db_row *row,
				   json_t **ret, struct err *e)
{
	auto_json json_t *record = NULL;
	int r = json_column_read(row, 7, &record, e);
	json_t *detail = json_object_get(record, "detail");

	if (r < 0)
		return r;
	*ret = json_pack(
		"{s:s, s:I, s:o, s:s, s:o, s:o, s:O, s:s}", "epoch",
		db_text(row, 1), "seq", (json_int_t)db_int(row, 2), "time",
		request_optional_time(db_int(row, 3)), "event", db_text(row, 4),
		"vp", request_optional_string(db_text_or_null(row, 5)), "class",
		request_optional_string(db_text_or_null(row, 6)), "detail",
		detail ? detail : json_null(), "text", db_text(row, 7));
	return *ret ? 0 : err_oom(e, "list records");
}

int receipt_api_list_records(struct request *rq, struct err *e)
{
	static const struct filter_field fields[] = {
		{ "seq", "seq", FILTER_NUMBER },
		{ "time", "time", FILTER_TIME },
		{ "event", "event", FILTER_TEXT },
		{ "vp", "vp", FILTER_TEXT },
		{ "class", "class", FILTER_TEXT },
		{ "epoch", "epoch", FILTER_TEXT },
		{ NULL },
	};
	static const struct listing l = {
		.sql = "SELECT number, epoch, seq, time, event, vp, class, text"
		       " FROM record",
		.where = "device = ?",
		.key = "number",
		.fields = fields,
		.row = build_audit_record_json,
	};

	return list_device_rows(rq, &l, e);
}

static int build_audit_batch_json(struct request *rq, struct db_row *row,
				  json_t **ret, struct err *e)
{
	auto_json json_t *head = NULL;
	int r = json_column_read(row, 5, &head, e);

	if (r < 0)
		return r;
	*ret = json_pack("{s:s, s:I, s:I, s:o, s:O, s:I}", "epoch",
			 db_text(row, 1), "first", (json_int_t)db_int(row, 2),
			 "seq", (json_int_t)db_int(row, 3), "received",
			 request_optional_time(db_int(row, 4)), "head", head,
			 "index", (json_int_t)db_int(row, 6));
	return *ret ? 0 : err_oom(e, "list batches");
}

int receipt_api_list_batches(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = "SELECT number, epoch, first, seq, received, head, leaf"
		       " FROM batch",
		.where = "device = ?",
		.key = "number",
		.row = build_audit_batch_json,
	};

	return list_device_rows(rq, &l, e);
}
