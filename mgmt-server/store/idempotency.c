/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/idempotency.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/db.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#define LIFE 86400

static void digest_request(const struct idempotency_key *k,
			   uint8_t ret[HASH_SIZE])
{
	const struct hash_part parts[] = {
		{ k->path, strlen(k->path) + 1 },
		{ k->body, k->len },
	};

	hash_hmac("once", 4, parts, ARRAY_SIZE(parts), ret);
}

int idempotency_find_answer(struct db *db, const struct idempotency_key *k,
			    int *ret_status, char **ret_text, struct err *e)
{
	uint8_t want[HASH_SIZE];
	const void *have;
	AUTO(db_done) struct db_row *row = NULL;
	size_t len;
	int r = db_first(db, &row, e,
			 "SELECT body, status, answer FROM once"
			 " WHERE token = ? AND key = ? AND time > ?",
			 "ssi", k->token, k->key, clock_wall() - LIFE);

	if (r <= 0)
		return r;
	digest_request(k, want);
	have = db_blob(row, 0, &len);
	if (len != HASH_SIZE || memcmp(have, want, len) != 0)
		return err_set(e, ENOTUNIQ,
			       "the Idempotency-Key came with another body");
	*ret_status = db_int(row, 1);
	r = db_copy_text(row, 2, ret_text, e);
	return r < 0 ? r : 1;
}

int idempotency_store_answer(struct db *db, const struct idempotency_key *k,
			     int status, const char *text, struct err *e)
{
	uint8_t body[HASH_SIZE];
	int r;

	digest_request(k, body);
	r = db_run(db, e, "DELETE FROM once WHERE time <= ?", "i",
		   clock_wall() - LIFE);
	if (r < 0)
		return r;
	return db_run(db, e,
		      "INSERT OR REPLACE INTO once (token, key, body, status,"
		      " answer, time) VALUES (?, ?, ?, ?, ?, ?)",
		      "ssbisi", k->token, k->key, body, sizeof(body),
		      (int64_t)status, text, clock_wall());
}
