/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts and audit of policyd/store/store.h: texts with numbers. */
#include "lib/auto.h"
#include "policyd/store/store.h"
#include "policyd/store/store_internal.h"

#include <errno.h>

struct numbered_table {
	const char *insert, *each, *get, *oldest, *sizes, *drop, *cut;
};

static const struct numbered_table receipts = {
	.insert = "INSERT INTO receipt VALUES (?, ?)",
	.each = "SELECT seq, payload FROM receipt WHERE seq > ? ORDER BY seq "
		"LIMIT ?",
	.get = "SELECT payload FROM receipt WHERE seq = ?",
	.oldest = "SELECT coalesce(min(seq), 0) FROM receipt",
	.sizes = "SELECT seq, length(CAST(payload AS BLOB)) FROM receipt "
		 "WHERE seq <= ? ORDER BY seq",
	.drop = "DELETE FROM receipt WHERE seq <= ? "
		"AND seq NOT IN (SELECT receipt FROM job)",
	.cut = "DELETE FROM receipt WHERE seq > ?",
};

static const struct numbered_table records = {
	.insert = "INSERT INTO audit VALUES (?, ?)",
	.each = "SELECT seq, record FROM audit WHERE seq > ? ORDER BY seq "
		"LIMIT ?",
	.get = "SELECT record FROM audit WHERE seq = ?",
	.oldest = "SELECT coalesce(min(seq), 0) FROM audit",
	.sizes = "SELECT seq, length(CAST(record AS BLOB)) FROM audit "
		 "WHERE seq <= ? ORDER BY seq",
	.drop = "DELETE FROM audit WHERE seq <= ?",
	.cut = "DELETE FROM audit WHERE seq > ?",
};

static int read_numbered_rows(struct store *s, const struct numbered_table *t,
			      int64_t after, unsigned int max,
			      store_receipt_fn *fn, void *ctx, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e, t->each, "ii", after, (int64_t)max);

	while (r == 0 && db_next(row, &r, e)) {
		r = fn(ctx, db_int(row, 0), db_text(row, 1), e);
	}
	return r;
}

static int get_oldest_number(struct store *s, const struct numbered_table *t,
			     int64_t *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e, t->oldest, "");

	if (r > 0)
		*ret = db_int(row, 0);
	return r < 0 ? r : 0;
}

int store_get_oldest_receipt(struct store *s, int64_t *ret, struct err *e)
{
	return get_oldest_number(s, &receipts, ret, e);
}

int store_get_oldest_audit(struct store *s, int64_t *ret, struct err *e)
{
	return get_oldest_number(s, &records, ret, e);
}

int store_put_receipt(struct store *s, int64_t seq, const char *payload,
		      struct err *e)
{
	return db_run(s->db, e, receipts.insert, "is", seq, payload);
}

int store_each_receipt(struct store *s, int64_t after, unsigned int max,
		       store_receipt_fn *fn, void *ctx, struct err *e)
{
	return read_numbered_rows(s, &receipts, after, max, fn, ctx, e);
}

int store_get_receipt(struct store *s, int64_t seq, char **ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e, receipts.get, "i", seq);

	return r < 0 ? r : store_read_text_row(row, "receipt", ret, e);
}

static int drop_oldest_rows(struct store *s, const struct numbered_table *t,
			    int64_t upto, int64_t bytes, int64_t *ret,
			    int64_t *ret_last, struct err *e)
{
	int64_t gone = 0, last = 0;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e, t->sizes, "i", upto);

	while (r == 0 && gone < bytes && db_next(row, &r, e)) {
		last = db_int(row, 0);
		gone += db_int(row, 1);
	}
	if (r >= 0)
		r = db_run(s->db, e, t->drop, "i", last);
	if (r < 0)
		return r;
	*ret = gone;
	*ret_last = last;
	return 0;
}

int store_drop_receipts(struct store *s, int64_t upto, int64_t bytes,
			int64_t *ret, int64_t *ret_last, struct err *e)
{
	return drop_oldest_rows(s, &receipts, upto, bytes, ret, ret_last, e);
}

int store_truncate_receipts(struct store *s, int64_t after, struct err *e)
{
	int r = db_run(s->db, e, receipts.cut, "i", after);

	if (r == 0)
		r = db_run(
			s->db, e,
			"UPDATE job SET receipt = -receipt WHERE receipt > ?",
			"i", after);
	if (r == 0)
		r = db_run(
			s->db, e,
			"UPDATE gap SET receipt = -receipt WHERE receipt > ?",
			"i", after);
	return r;
}

int store_update_receipt_refs(struct store *s, int64_t from, int64_t to,
			      struct err *e)
{
	int r = db_run(s->db, e, "UPDATE job SET receipt = ? WHERE receipt = ?",
		       "ii", to, -from);

	return r < 0 ? r
		     : db_run(s->db, e,
			      "UPDATE gap SET receipt = ? WHERE receipt = ?",
			      "ii", to, -from);
}

int store_put_audit(struct store *s, int64_t seq, const char *record,
		    struct err *e)
{
	return db_run(s->db, e, records.insert, "is", seq, record);
}

int store_each_audit(struct store *s, int64_t after, unsigned int max,
		     store_audit_fn *fn, void *ctx, struct err *e)
{
	return read_numbered_rows(s, &records, after, max, fn, ctx, e);
}

int store_get_audit(struct store *s, int64_t seq, char **ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e, records.get, "i", seq);

	return r < 0 ? r : store_read_text_row(row, "audit record", ret, e);
}

int store_drop_audit(struct store *s, int64_t upto, int64_t bytes, int64_t *ret,
		     struct err *e)
{
	int64_t last;

	return drop_oldest_rows(s, &records, upto, bytes, ret, &last, e);
}

int store_get_refused_bytes(struct store *s, int64_t *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	/* Texts have their quotes escaped: this is the event's own member. */
	int r = db_first(
		s->db, &row, e,
		"SELECT coalesce(sum(length(CAST(record AS BLOB))), 0) "
		"FROM audit WHERE instr(record, "
		"'\"event\":\"refused\"') > 0",
		"");

	if (r > 0)
		*ret = db_int(row, 0);
	return r < 0 ? r : 0;
}

int store_truncate_audit(struct store *s, int64_t after, struct err *e)
{
	return db_run(s->db, e, records.cut, "i", after);
}

int store_get_gap(struct store *s, const char *stream, int64_t last,
		  int64_t *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(
		s->db, &row, e,
		"SELECT receipt FROM gap WHERE stream = ? AND last = ?", "si",
		stream, last);

	if (r > 0)
		*ret = db_int(row, 0);
	if (r < 0)
		return r;
	return r > 0 ? 0 : -ENOENT;
}

int store_set_gap(struct store *s, const char *stream, int64_t first,
		  int64_t last, int64_t receipt, struct err *e)
{
	int r = db_run(s->db, e, "DELETE FROM gap WHERE stream = ?", "s",
		       stream);

	return r < 0 ? r
		     : db_run(s->db, e, "INSERT INTO gap VALUES (?, ?, ?, ?)",
			      "siii", stream, first, last, receipt);
}
