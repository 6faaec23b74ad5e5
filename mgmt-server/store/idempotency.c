/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/idempotency.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/server.h"

#include <errno.h>
#include <string.h>

#define LIFE 86400

static void digest_request_body(const struct request *rq,
				uint8_t ret[HASH_SIZE])
{
	const struct hash_part parts[] = {
		{ rq->path, strlen(rq->path) + 1 },
		{ rq->body ? rq->body : "", rq->len },
	};

	hash_hmac("once", 4, parts, ARRAY_SIZE(parts), ret);
}

int idempotency_replay_answer(struct request *rq, struct err *e)
{
	struct db *db = rq->server->db;
	uint8_t want[HASH_SIZE];
	const void *have;
	sqlite3_stmt *st = NULL;
	size_t len;
	int r, status;
	char *text;

	r = db_first(db, &st, e,
		     "SELECT body, status, answer FROM once"
		     " WHERE token = ? AND key = ? AND time > ?",
		     "ssi", rq->caller.id, rq->once_key, clock_wall() - LIFE);
	if (r <= 0)
		return r;
	digest_request_body(rq, want);
	have = db_blob(st, 0, &len);
	if (len != HASH_SIZE || memcmp(have, want, len) != 0) {
		sqlite3_reset(st);
		return err_set(e, PROBLEM_KEY_REUSED,
			       "the Idempotency-Key came with another body");
	}
	status = sqlite3_column_int(st, 1);
	text = strdup(db_text(st, 2));
	sqlite3_reset(st);
	r = request_answer_text(rq, status, "application/json", text, e);
	return r < 0 ? r : 1;
}

int idempotency_store_answer(struct request *rq, struct err *e)
{
	struct db *db = rq->server->db;
	uint8_t body[HASH_SIZE];
	int r;

	digest_request_body(rq, body);
	r = db_run(db, e, "DELETE FROM once WHERE time <= ?", "i",
		   clock_wall() - LIFE);
	if (r < 0)
		return r;
	return db_run(db, e,
		      "INSERT OR REPLACE INTO once (token, key, body, status,"
		      " answer, time) VALUES (?, ?, ?, ?, ?, ?)",
		      "ssbisi", rq->caller.id, rq->once_key, body, sizeof(body),
		      (int64_t)rq->answer.status,
		      rq->answer.body ? rq->answer.body : "", clock_wall());
}
