/* SPDX-License-Identifier: Apache-2.0 */
/* The refusals of policyd/store/store.h. */
#include "lib/auto.h"
#include "policyd/store/store.h"
#include "policyd/store/store_internal.h"

#define KEEP_SECONDS (24 * 3600)

/* Counts it, if it is there. 1: it is, *ret_times before and *ret_at. */
static int find_refusal(struct store *s, const struct store_refusal *f,
			int64_t *ret_times, int64_t *ret_at, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT times, at FROM refusal WHERE digest = ? AND "
			 "reason = ?",
			 "bs", f->digest, (size_t)HASH_SIZE, f->reason);

	if (r > 0) {
		*ret_times = db_int(row, 0);
		*ret_at = db_int(row, 1);
	}
	return r;
}

static int count_reported_refusals(struct store *s,
				   const struct store_refusal *f, int64_t *ret,
				   struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT count(*) FROM refusal WHERE signed = ? AND at "
			 ">= ?",
			 "ii", (int64_t)f->is_signed, f->since);

	if (r > 0)
		*ret = db_int(row, 0);
	return r < 0 ? r : 0;
}

int store_record_refusal(struct store *s, const struct store_refusal *f,
			 int64_t *ret, struct err *e)
{
	int64_t times = 0, at = 0, reported = 0;
	int known, r;

	r = db_run(s->db, e, "DELETE FROM refusal WHERE at < ?", "i",
		   f->now - KEEP_SECONDS);
	if (r < 0)
		return r;
	known = find_refusal(s, f, &times, &at, e);
	if (known < 0)
		return known;
	if (known && at >= f->since) {
		r = db_run(s->db, e,
			   "UPDATE refusal SET times = times + 1 WHERE digest "
			   "= ? AND reason = ?",
			   "bs", f->digest, (size_t)HASH_SIZE, f->reason);
		return r < 0 ? r : STORE_TOLD;
	}
	r = count_reported_refusals(s, f, &reported, e);
	if (r < 0)
		return r;
	if (reported >= f->max)
		return STORE_TOO_MANY;
	r = db_run(s->db, e,
		   "INSERT OR REPLACE INTO refusal (digest, reason, at, times, "
		   "signed) VALUES (?, ?, ?, 0, ?)",
		   "bsii", f->digest, (size_t)HASH_SIZE, f->reason, f->now,
		   (int64_t)f->is_signed);
	if (r < 0)
		return r;
	*ret = times;
	return STORE_NEWS;
}
