/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of policyd/store/store.h: held, in force, staged, floors. */
#include "lib/auto.h"
#include "lib/err.h"
#include "policyd/store/store.h"
#include "policyd/store/store_internal.h"

#include <errno.h>
#include <string.h>

int store_put_root(struct store *s, const struct doc_head *head,
		   const char *envelope, struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO root VALUES (?, ?, ?)",
		      "ibs", (int64_t)head->version, head->digest,
		      sizeof(head->digest), envelope);
}

int store_each_root(struct store *s, store_root_fn *fn, void *ctx,
		    struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e,
			 "SELECT version, envelope FROM root "
			 "ORDER BY version DESC",
			 "");

	while (r == 0 && db_next(row, &r, e)) {
		r = fn(ctx, db_int(row, 0), db_text(row, 1), e);
	}
	return r;
}

int store_drop_root(struct store *s, int64_t version, struct err *e)
{
	return db_run(s->db, e, "DELETE FROM root WHERE version = ?", "i",
		      version);
}

int store_put_document(struct store *s, const struct doc_head *head,
		       const char *envelope, struct err *e)
{
	return db_run(s->db, e,
		      "INSERT INTO document VALUES (?, ?, ?, ?, ?) "
		      "ON CONFLICT (digest) DO UPDATE "
		      "SET envelope = excluded.envelope",
		      "bssis", head->digest, sizeof(head->digest),
		      doc_type_name(head->type), head->id,
		      (int64_t)head->version, envelope);
}

int store_get_document(struct store *s, const uint8_t digest[HASH_SIZE],
		       char **ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e,
			 "SELECT envelope FROM document WHERE digest = ?", "b",
			 digest, (size_t)HASH_SIZE);

	return r < 0 ? r : store_read_text_row(row, "document", ret, e);
}

int store_sweep_documents(struct store *s, struct err *e)
{
	return db_run(s->db, e,
		      "DELETE FROM document WHERE digest NOT IN ("
		      "SELECT digest FROM in_force UNION ALL "
		      "SELECT digest FROM staged UNION ALL "
		      "SELECT digest FROM floor)",
		      "");
}

int store_each_in_force(struct store *s, store_row_fn *fn, void *ctx,
			struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e,
			 "SELECT f.type, f.id, f.digest, d.envelope "
			 "FROM in_force f "
			 "LEFT JOIN document d ON d.digest = f.digest",
			 "");

	if (r < 0)
		return r;
	while (r == 0 && db_next(row, &r, e)) {
		struct store_row w = { .type = db_text(row, 0),
				       .id = db_text(row, 1),
				       .envelope = db_text(row, 3) };

		db_copy_blob(row, 2, w.digest, sizeof(w.digest));
		r = fn(ctx, &w, e);
	}
	return r;
}

int store_drop_in_force(struct store *s, const char *type, const char *id,
			struct err *e)
{
	return db_run(s->db, e,
		      "DELETE FROM in_force WHERE type = ? AND id = ?", "ss",
		      type, id);
}

int store_clear_in_force(struct store *s, struct err *e)
{
	return db_run(s->db, e, "DELETE FROM in_force", "");
}

int store_put_in_force(struct store *s, const struct doc_head *head,
		       struct err *e)
{
	return db_run(s->db, e, "INSERT INTO in_force VALUES (?, ?, ?)", "ssb",
		      doc_type_name(head->type), head->id, head->digest,
		      sizeof(head->digest));
}

int store_clear_staged(struct store *s, struct err *e)
{
	return db_run(s->db, e, "DELETE FROM staged", "");
}

int store_put_staged(struct store *s, const uint8_t digest[HASH_SIZE],
		     enum store_staged state, struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO staged VALUES (?, ?)",
		      "bi", digest, (size_t)HASH_SIZE, (int64_t)state);
}

int store_get_staged(struct store *s, const uint8_t digest[HASH_SIZE],
		     enum store_staged *ret, struct err *e)
{
	enum store_staged state = STORE_AWAITED;
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT accepted FROM staged WHERE digest = ?", "b",
			 digest, (size_t)HASH_SIZE);

	if (r < 0)
		return r;
	if (r > 0 && db_int(row, 0) == STORE_UNLOCKED)
		state = STORE_UNLOCKED;
	else if (r > 0 && db_int(row, 0) == STORE_ACCEPTED)
		state = STORE_ACCEPTED;
	*ret = state;
	return 0;
}

int store_get_floor(struct store *s, enum doc_type type, const char *id,
		    struct store_floor *ret, struct err *e)
{
	const void *digest;
	AUTO(db_done) struct db_row *row = NULL;
	size_t len;
	int r = db_first(s->db, &row, e,
			 "SELECT version * counts, digest FROM floor "
			 "WHERE type = ? AND id = ?",
			 "ss", doc_type_name(type), id);

	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	digest = db_blob(row, 1, &len);
	ret->version = (uint32_t)db_int(row, 0);
	if (len == sizeof(ret->digest))
		memcpy(ret->digest, digest, len);
	return 0;
}

int store_raise_floor(struct store *s, const struct doc_head *head,
		      struct err *e)
{
	return db_run(
		s->db, e, "INSERT OR REPLACE INTO floor VALUES (?, ?, ?, ?, 1)",
		"ssib", doc_type_name(head->type), head->id,
		(int64_t)head->version, head->digest, sizeof(head->digest));
}

int store_recount_floors(struct store *s, store_document_fn *fn, void *ctx,
			 struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e,
			 "SELECT d.type, d.envelope, f.id FROM floor f "
			 "JOIN document d ON d.digest = f.digest",
			 "");

	while (r == 0 && db_next(row, &r, e)) {
		enum doc_type type = doc_type_from_name(db_text(row, 0));

		r = fn(ctx, type, db_text(row, 1), e);
		/* counts is not in the query, so its rows stay as they are */
		if (r >= 0)
			r = db_run(s->db, e,
				   "UPDATE floor SET counts = ? "
				   "WHERE type = ? AND id = ?",
				   "iss", (int64_t)(r > 0), doc_type_name(type),
				   db_text(row, 2));
	}
	return r;
}
