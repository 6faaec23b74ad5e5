/* SPDX-License-Identifier: Apache-2.0 */
/* Who did use a class, and who was denied: the devices' audit records. */
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/store/json_column.h"

#include <errno.h>
#include <stdint.h>

/* The policies in force by the newest applied receipt before the record. */
static int build_usage_json(struct request *rq, struct db_row *row,
			    json_t **ret, struct err *e)
{
	auto_json json_t *record = NULL, *policies = NULL;
	int r = json_column_read(row, 7, &record, e);
	json_t *detail;

	if (r == 0)
		r = json_column_read(row, 9, &policies, e);
	if (r < 0)
		return r;
	detail = json_object_get(record, "detail");
	*ret = json_pack(
		"{s:s, s:s, s:I, s:o, s:s, s:o, s:o, s:O, s:O}", "device",
		db_text(row, 1), "epoch", db_text(row, 2), "seq",
		(json_int_t)db_int(row, 3), "time",
		request_optional_time(db_int(row, 4)), "event", db_text(row, 5),
		"vp", request_optional_string(db_text_or_null(row, 6)), "class",
		request_optional_string(db_text_or_null(row, 8)), "detail",
		detail ? detail : json_null(), "policies", policies);
	return *ret ? 0 : err_oom(e, "list records");
}

#define POLICIES                                                               \
	" (SELECT json_group_array(json_object('id', d.id, 'version',"         \
	" d.version, 'signers', json(d.signers))) FROM json_each((SELECT"      \
	" json_extract(r.payload, '$.details.documents') FROM receipt AS r"    \
	" WHERE r.device = record.device AND r.epoch = record.epoch AND"       \
	" r.describes AND r.time <= record.time"                               \
	" ORDER BY r.seq DESC LIMIT 1)) AS j JOIN document AS d"               \
	" ON d.sha256 = json_extract(j.value, '$.sha256')"                     \
	" WHERE d.type = 'device-policy')"

#define SQL                                                                    \
	"SELECT number, device, epoch, seq, time, event, vp, text, "           \
	"class," POLICIES " FROM record"
#define WHERE                                                                  \
	" AND (?1 IS NULL OR class = ?1) AND time >= ?2 AND time <= ?3"        \
	" AND (?4 IS NULL OR device = ?4) AND (?5 IS NULL OR vp = ?5)"

static int answer_usage_listing(struct request *rq, const struct listing *l,
				struct err *e)
{
	const char *cls = request_get_argument(rq, "class");
	int64_t from = 0, to = INT64_MAX;
	int r = request_get_time(rq, "from", &from, e);

	if (r == 0)
		r = request_get_time(rq, "to", &to, e);
	if (r < 0)
		return r;
	if (cls && class_from_name(cls) == CELLS_CLASS_COUNT)
		return err_set(e, EINVAL, "there is no class %.40s", cls);
	const struct listing_value values[] = {
		{ .text = cls, .is_null = !cls, .used = true },
		{ .number = from, .used = true },
		{ .number = to, .used = true },
		{ .text = request_get_argument(rq, "device"),
		  .is_null = !request_get_argument(rq, "device"),
		  .used = true },
		{ .text = request_get_argument(rq, "vp"),
		  .is_null = !request_get_argument(rq, "vp"),
		  .used = true },
		{ .used = false },
	};

	return listing_answer(rq, l, values, e);
}

#define SCOPE "(SELECT grp FROM device WHERE device.id = record.device)"

int usage_api_list_used(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = SQL,
		.where = "event IN ('open', 'close')" WHERE,
		.key = "number",
		.scope = SCOPE,
		.row = build_usage_json,
	};

	return answer_usage_listing(rq, &l, e);
}

int usage_api_list_denied(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = SQL,
		.where = "event = 'deny'" WHERE,
		.key = "number",
		.scope = SCOPE,
		.row = build_usage_json,
	};

	return answer_usage_listing(rq, &l, e);
}
