/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts and audit of policyd/store.h: texts with numbers. */
#include "policyd/store.h"
#include "policyd/storepriv.h"

struct numbered {
	const char *insert, *each, *get, *oldest;
};

static const struct numbered receipts = {
	.insert = "INSERT INTO receipt VALUES (?, ?)",
	.each = "SELECT seq, payload FROM receipt WHERE seq > ? ORDER BY seq "
		"LIMIT ?",
	.get = "SELECT payload FROM receipt WHERE seq = ?",
	.oldest = "SELECT coalesce(min(seq), 0) FROM receipt",
};

static const struct numbered records = {
	.insert = "INSERT INTO audit VALUES (?, ?)",
	.each = "SELECT seq, record FROM audit WHERE seq > ? ORDER BY seq "
		"LIMIT ?",
	.get = "SELECT record FROM audit WHERE seq = ?",
	.oldest = "SELECT coalesce(min(seq), 0) FROM audit",
};

static int numbered_each(struct store *s, const struct numbered *t,
			 int64_t after, unsigned int max, store_receipt_fn *fn,
			 void *ctx, struct err *e)
{
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e, t->each, "ii", after, (int64_t)max);

	if (r < 0)
		return r;
	while ((r = db_step(s->db, st, e)) > 0) {
		r = fn(ctx, sqlite3_column_int64(st, 0), db_text(st, 1), e);
		if (r < 0)
			break;
	}
	sqlite3_reset(st);
	return r;
}

static int get_oldest(struct store *s, const struct numbered *t, int64_t *ret,
		      struct err *e)
{
	sqlite3_stmt *st;
	int r = db_first(s->db, &st, e, t->oldest, "");

	if (r > 0)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return r < 0 ? r : 0;
}

int store_oldest_receipt(struct store *s, int64_t *ret, struct err *e)
{
	return get_oldest(s, &receipts, ret, e);
}

int store_oldest_audit(struct store *s, int64_t *ret, struct err *e)
{
	return get_oldest(s, &records, ret, e);
}

int store_put_receipt(struct store *s, int64_t seq, const char *payload,
		      struct err *e)
{
	return db_run(s->db, e, receipts.insert, "is", seq, payload);
}

int store_each_receipt(struct store *s, int64_t after, unsigned int max,
		       store_receipt_fn *fn, void *ctx, struct err *e)
{
	return numbered_each(s, &receipts, after, max, fn, ctx, e);
}

int store_get_receipt(struct store *s, int64_t seq, char **ret, struct err *e)
{
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e, receipts.get, "i", seq);

	return r < 0 ? r : store_take_text(s, st, "receipt", ret, e);
}

int store_drop_receipts(struct store *s, int64_t upto, struct err *e)
{
	return db_run(s->db, e,
		      "DELETE FROM receipt WHERE seq <= ? "
		      "AND seq NOT IN (SELECT receipt FROM job)",
		      "i", upto);
}

int store_put_audit(struct store *s, int64_t seq, const char *record,
		    struct err *e)
{
	return db_run(s->db, e, records.insert, "is", seq, record);
}

int store_each_audit(struct store *s, int64_t after, unsigned int max,
		     store_audit_fn *fn, void *ctx, struct err *e)
{
	return numbered_each(s, &records, after, max, fn, ctx, e);
}

int store_get_audit(struct store *s, int64_t seq, char **ret, struct err *e)
{
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e, records.get, "i", seq);

	return r < 0 ? r : store_take_text(s, st, "audit record", ret, e);
}

int store_drop_audit(struct store *s, int64_t upto, int64_t bytes, int64_t *ret,
		     struct err *e)
{
	int64_t gone = 0, last = 0;
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e,
			 "SELECT seq, length(record) FROM audit WHERE seq <= ? "
			 "ORDER BY seq",
			 "i", upto);

	if (r < 0)
		return r;
	while (gone < bytes && (r = db_step(s->db, st, e)) > 0) {
		last = sqlite3_column_int64(st, 0);
		gone += sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	if (r >= 0)
		r = db_run(s->db, e, "DELETE FROM audit WHERE seq <= ?", "i",
			   last);
	if (r == 0)
		*ret = gone;
	return r;
}
