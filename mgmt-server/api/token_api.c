/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens over REST: the caller's own, and those that an admin makes. */
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/store/token.h"

#include <errno.h>
#include <string.h>

#define TTL_DEFAULT (90 * INT64_C(86400))
#define TTL_MAX (3660 * INT64_C(86400))

/* GET /v1/self */
int token_api_show_self(struct request *rq, struct err *e)
{
	const struct token *b = &rq->caller;

	return request_answer_json(
		rq, 200,
		json_pack("{s:s, s:s, s:o, s:s, s:O, s:o, s:o}", "id", b->id,
			  "name", b->name, "user",
			  request_optional_string(b->user[0] ? b->user : NULL),
			  "role", b->role, "groups", b->groups, "rights",
			  token_list_rights(b->rights), "expires",
			  request_optional_time(b->expires)),
		e);
}

static int build_token_json(struct request *rq, struct db_row *row,
			    json_t **ret, struct err *e)
{
	*ret = json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:o}", "id",
			 db_text(row, 1), "name", db_text(row, 2), "user",
			 request_optional_string(db_text_or_null(row, 3)),
			 "role", db_text(row, 4), "groups",
			 json_from_text(db_text(row, 5)), "created",
			 request_optional_time(db_int(row, 6)), "expires",
			 request_optional_time(db_int(row, 7)));
	return *ret ? 0 : err_oom(e, "list tokens");
}

int token_api_list(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = "SELECT number, id, name, user, role, groups, created,"
		       " expires FROM token",
		.key = "number",
		.row = build_token_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

int token_api_create(struct request *rq, struct err *e)
{
	const char *name = NULL, *role = NULL;
	json_t *groups = NULL;
	int64_t ttl = TTL_DEFAULT, expires;
	const struct json_member table[] = {
		{ "name", JSON_STRING, false, &name },
		{ "role", JSON_STRING, false, &role },
		{ "groups", JSON_ARRAY, true, &groups },
		{ "ttl", JSON_INTEGER, true, &ttl },
		{ NULL },
	};
	char token[65], id[17];
	json_t *j;
	int r = request_parse_body(rq, table, e);

	if (r < 0)
		return r;
	if (!encoding_is_valid_id(name))
		return err_set(e, EINVAL, "name '%.64s' is not an id", name);
	if (!token_get_role_rights(role))
		return err_set(e, EINVAL, "there is no role '%.32s'", role);
	if (ttl < 1 || ttl > TTL_MAX)
		return err_set(e, EINVAL, "ttl is not within ten years");
	r = token_check_groups(groups, e);
	if (r < 0)
		return r;
	expires = clock_wall() + ttl;
	r = token_create(rq->db, name, NULL, role, groups, expires, token, id,
			 e);
	if (r < 0)
		return r;
	j = json_pack("{s:s, s:s, s:s, s:O?, s:o}", "id", id, "name", name,
		      "role", role, "groups", groups, "expires",
		      request_optional_time(expires));
	request_set_audit(rq, id, NULL, NULL, NULL, json_deep_copy(j));
	request_set_member(j, "token", json_string(token));
	return request_answer_json(rq, 201, j, e);
}

int token_api_delete(struct request *rq, struct err *e)
{
	int r = db_run(rq->db, e, "DELETE FROM token WHERE id = ?", "s",
		       rq->param[0]);

	if (r < 0)
		return r;
	if (db_changed(rq->db) == 0)
		return err_set(e, PROBLEM_NOT_FOUND, "no token has that id");
	rq->context->turn->tokens_changed++;
	request_set_audit(rq, rq->param[0], NULL, NULL, NULL, NULL);
	rq->answer.status = 204;
	return 0;
}
