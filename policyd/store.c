/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/store.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/io.h"
#include "policyd/storepriv.h"

#include <string.h>
#include <sys/stat.h>

#define FILE_NAME "policyd.db"

/* The assembler finds the file by the -I of the top of the tree. */
__asm__(".pushsection .rodata\n"
	".globl store_sql_001\n"
	".hidden store_sql_001\n"
	"store_sql_001:\n"
	".incbin \"schema/sql/policyd-001.sql\"\n"
	".byte 0\n"
	".globl store_sql_002\n"
	".hidden store_sql_002\n"
	"store_sql_002:\n"
	".incbin \"schema/sql/policyd-002.sql\"\n"
	".byte 0\n"
	".popsection\n");
extern const char store_sql_001[], store_sql_002[];

int store_open(const char *dir, struct store **ret, struct err *e)
{
	const char *const migrations[] = { store_sql_001, store_sql_002, NULL };
	AUTO(store_closep) struct store *s = calloc(1, sizeof(*s));
	auto_free char *path = io_join(dir, FILE_NAME);
	mode_t mask;
	int r;

	if (!s || !path)
		return err_oom(e, "open store");
	mask = umask(0077);
	r = db_open(path, migrations, &s->db, e);
	umask(mask);
	if (r < 0)
		return r;
	s->durable = true;
	/* Keys and passwords' counters must not linger in free pages. */
	r = db_exec(s->db, "PRAGMA secure_delete = ON", e);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db)
		db_close(s->db);
	free(s);
}

int store_begin(struct store *s, bool durable, struct store **ret_tx,
		struct err *e)
{
	int r = 0;

	if (durable != s->durable)
		r = db_exec(s->db,
			    durable ? "PRAGMA synchronous = FULL"
				    : "PRAGMA synchronous = NORMAL",
			    e);
	if (r < 0)
		return r;
	s->durable = durable;
	r = db_begin(s->db, e);
	if (r < 0)
		return r;
	*ret_tx = s;
	return 0;
}

int store_commit(struct store **tx, struct err *e)
{
	struct store *s = steal(*tx);
	int r = db_commit(s->db, e);

	/* A commit that failed (disk full) leaves the transaction open. */
	if (r < 0 && !sqlite3_get_autocommit(db_handle(s->db)))
		db_rollback(s->db);
	if (r == 0 && !s->durable)
		s->is_ahead = true;
	return r;
}

int store_sync(struct store *s, struct err *e)
{
	int r = s->is_ahead ? db_sync(s->db, e) : 0;

	if (r == 0)
		s->is_ahead = false;
	return r;
}

void store_endp(struct store **tx)
{
	if (*tx)
		db_rollback((*tx)->db);
}

/* A query that gives one text; -ENOENT. */
static int take_text(struct store *s, sqlite3_stmt *st, const char *what,
		     char **ret, struct err *e)
{
	char *copy;
	int r = db_step(s->db, st, e);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ENOENT, "no %s is held", what);
	copy = strdup(db_text(st, 0));
	sqlite3_reset(st);
	if (!copy)
		return err_oom(e, what);
	*ret = copy;
	return 0;
}

/* ---- single values */
int64_t store_int(struct store *s, const char *name, int64_t otherwise)
{
	int64_t v = otherwise;
	sqlite3_stmt *st;
	struct err e;

	if (db_query(s->db, &st, &e, "SELECT value FROM meta WHERE name = ?",
		     "s", name) < 0)
		return otherwise;
	if (db_step(s->db, st, &e) > 0)
		v = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return v;
}

int store_set_int(struct store *s, const char *name, int64_t v, struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO meta VALUES (?, ?)",
		      "si", name, v);
}

int store_count(struct store *s, const char *name, int64_t *ret, struct err *e)
{
	int64_t v = store_int(s, name, 0) + 1;
	int r = store_set_int(s, name, v, e);

	if (r == 0)
		*ret = v;
	return r;
}

int store_text(struct store *s, const char *name, char **ret, struct err *e)
{
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e, "SELECT value FROM meta WHERE name = ?",
			 "s", name);

	return r < 0 ? r : take_text(s, st, name, ret, e);
}

int store_set_text(struct store *s, const char *name, const char *v,
		   struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO meta VALUES (?, ?)",
		      "ss", name, v);
}

int store_forget(struct store *s, const char *name, struct err *e)
{
	return db_run(s->db, e, "DELETE FROM meta WHERE name = ?", "s", name);
}

int store_empty(struct store *s, struct err *e)
{
	return db_exec(s->db,
		       "DELETE FROM in_force; DELETE FROM staged;"
		       "DELETE FROM floor; DELETE FROM document;"
		       "DELETE FROM meta; DELETE FROM root; DELETE FROM job;"
		       "DELETE FROM receipt; DELETE FROM audit;"
		       "DELETE FROM counter; DELETE FROM vp;"
		       "DELETE FROM refusal",
		       e);
}

int store_empty_epoch(struct store *s, struct err *e)
{
	static const char *const names[] = {
		STORE_STAGED,	       STORE_SNAPSHOT,	  STORE_SNAPSHOT_FLOOR,
		STORE_SNAPSHOT_DIGEST, STORE_RECEIPT_SEQ, STORE_RECEIPT_ACKED,
		STORE_AUDIT_SEQ,       STORE_AUDIT_HEAD,  STORE_AUDIT_ACKED,
		STORE_AUDIT_BYTES,     STORE_AUDIT_LOST,  STORE_APPLYING,
		STORE_MEMBER_ISSUED,   STORE_FRESH_UNTIL,
	};
	int r = db_exec(s->db,
			"DELETE FROM staged; DELETE FROM job;"
			"DELETE FROM receipt; DELETE FROM audit;"
			"DELETE FROM refusal",
			e);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		r = store_forget(s, names[i], e);
	return r;
}

/* ---- roots and documents */
int store_put_root(struct store *s, const struct doc_head *head,
		   const char *envelope, struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO root VALUES (?, ?, ?)",
		      "ibs", (int64_t)head->version, head->digest,
		      sizeof(head->digest), envelope);
}

int store_get_root(struct store *s, char **ret, struct err *e)
{
	sqlite3_stmt *st;
	int r = db_query(
		s->db, &st, e,
		"SELECT envelope FROM root ORDER BY version DESC LIMIT 1", "");

	return r < 0 ? r : take_text(s, st, "root", ret, e);
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
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e,
			 "SELECT envelope FROM document WHERE digest = ?", "b",
			 digest, (size_t)HASH_SIZE);

	return r < 0 ? r : take_text(s, st, "document", ret, e);
}

bool store_has_document(struct store *s, const uint8_t digest[HASH_SIZE])
{
	sqlite3_stmt *st;
	struct err e;
	int r;

	if (db_query(s->db, &st, &e, "SELECT 1 FROM document WHERE digest = ?",
		     "b", digest, (size_t)HASH_SIZE) < 0)
		return false;
	r = db_step(s->db, st, &e);
	sqlite3_reset(st);
	return r > 0;
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

static int each_document(struct store *s, sqlite3_stmt *st,
			 store_document_fn *fn, void *ctx, struct err *e)
{
	int r;

	while ((r = db_step(s->db, st, e)) > 0) {
		r = fn(ctx, doc_type_from_name(db_text(st, 0)), db_text(st, 1),
		       e);
		if (r < 0)
			break;
	}
	sqlite3_reset(st);
	return r;
}

int store_each_in_force(struct store *s, store_document_fn *fn, void *ctx,
			struct err *e)
{
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e,
			 "SELECT d.type, d.envelope FROM in_force f "
			 "JOIN document d ON d.digest = f.digest",
			 "");

	return r < 0 ? r : each_document(s, st, fn, ctx, e);
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
		     bool is_accepted, struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO staged VALUES (?, ?)",
		      "bi", digest, (size_t)HASH_SIZE, (int64_t)is_accepted);
}

bool store_is_accepted(struct store *s, const uint8_t digest[HASH_SIZE])
{
	sqlite3_stmt *st;
	struct err e;
	int r;

	if (db_query(s->db, &st, &e,
		     "SELECT 1 FROM staged WHERE digest = ? AND accepted = 1",
		     "b", digest, (size_t)HASH_SIZE) < 0)
		return false;
	r = db_step(s->db, st, &e);
	sqlite3_reset(st);
	return r > 0;
}

int store_get_floor(struct store *s, enum doc_type type, const char *id,
		    struct store_floor *ret, struct err *e)
{
	const void *digest;
	sqlite3_stmt *st;
	size_t len;
	int r = db_first(s->db, &st, e,
			 "SELECT version * counts, digest FROM floor "
			 "WHERE type = ? AND id = ?",
			 "ss", doc_type_name(type), id);

	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	digest = db_blob(st, 1, &len);
	ret->version = (uint32_t)sqlite3_column_int64(st, 0);
	if (len == sizeof(ret->digest))
		memcpy(ret->digest, digest, len);
	sqlite3_reset(st);
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
	sqlite3_stmt *st;
	int r = db_query(s->db, &st, e,
			 "SELECT d.type, d.envelope, f.id FROM floor f "
			 "JOIN document d ON d.digest = f.digest",
			 "");

	if (r < 0)
		return r;
	while ((r = db_step(s->db, st, e)) > 0) {
		enum doc_type type = doc_type_from_name(db_text(st, 0));

		r = fn(ctx, type, db_text(st, 1), e);
		/* counts is not in the query, so its rows stay as they are */
		if (r >= 0)
			r = db_run(s->db, e,
				   "UPDATE floor SET counts = ? "
				   "WHERE type = ? AND id = ?",
				   "iss", (int64_t)(r > 0), doc_type_name(type),
				   db_text(st, 2));
		if (r < 0)
			break;
	}
	sqlite3_reset(st);
	return r;
}

/* ---- receipts and audit: numbered texts */
struct numbered {
	const char *insert, *each, *get;
};

static const struct numbered receipts = {
	.insert = "INSERT INTO receipt VALUES (?, ?)",
	.each = "SELECT seq, payload FROM receipt WHERE seq > ? ORDER BY seq "
		"LIMIT ?",
	.get = "SELECT payload FROM receipt WHERE seq = ?",
};

static const struct numbered records = {
	.insert = "INSERT INTO audit VALUES (?, ?)",
	.each = "SELECT seq, record FROM audit WHERE seq > ? ORDER BY seq "
		"LIMIT ?",
	.get = "SELECT record FROM audit WHERE seq = ?",
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

	return r < 0 ? r : take_text(s, st, "receipt", ret, e);
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

	return r < 0 ? r : take_text(s, st, "audit record", ret, e);
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

/* ---- wrong passwords */
int store_get_counter(struct store *s, const char *kind, const char *name,
		      struct store_counter *ret, struct err *e)
{
	struct store_counter c = { 0 };
	sqlite3_stmt *st;
	int r = db_first(s->db, &st, e,
			 "SELECT wrong, boot FROM counter "
			 "WHERE kind = ? AND name = ?",
			 "ss", kind, name);

	if (r > 0) {
		c.wrong = (uint32_t)sqlite3_column_int64(st, 0);
		c.boot_ns = (uint64_t)sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	if (r < 0)
		return r;
	*ret = c;
	return 0;
}

int store_set_counter(struct store *s, const char *kind, const char *name,
		      const struct store_counter *c, struct err *e)
{
	return db_run(
		s->db, e, "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?)",
		"ssii", kind, name, (int64_t)c->wrong, (int64_t)c->boot_ns);
}

void store_copy_word(char *ret, size_t size, const char *text)
{
	strncpy(ret, text, size - 1);
	ret[size - 1] = '\0';
}

/* ---- VPs */
int store_vp_state(struct store *s, const char *vp, char ret[STORE_WORD_SIZE],
		   struct err *e)
{
	sqlite3_stmt *st;
	int r = db_first(s->db, &st, e, "SELECT state FROM vp WHERE name = ?",
			 "s", vp);

	if (r >= 0)
		store_copy_word(ret, STORE_WORD_SIZE,
				r > 0 ? db_text(st, 0) : "absent");
	sqlite3_reset(st);
	return r < 0 ? r : 0;
}

int store_set_vp_state(struct store *s, const char *vp, const char *state,
		       struct err *e)
{
	return db_run(s->db, e,
		      "INSERT INTO vp (name, state) VALUES (?, ?) "
		      "ON CONFLICT (name) DO UPDATE SET state = excluded.state",
		      "ss", vp, state);
}

int64_t store_vp_gone(struct store *s, const char *vp)
{
	int64_t v = 0;
	sqlite3_stmt *st;
	struct err e;

	if (db_query(s->db, &st, &e, "SELECT gone FROM vp WHERE name = ?", "s",
		     vp) < 0)
		return 0;
	if (db_step(s->db, st, &e) > 0)
		v = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return v;
}

int store_set_vp_gone(struct store *s, const char *vp, int64_t version,
		      struct err *e)
{
	return db_run(
		s->db, e,
		"INSERT INTO vp (name, state, gone) VALUES (?, 'absent', ?) "
		"ON CONFLICT (name) DO UPDATE SET gone = excluded.gone",
		"si", vp, version);
}

int store_note_refusal(struct store *s, const uint8_t digest[HASH_SIZE],
		       const char *reason, int64_t now, int64_t since,
		       struct err *e)
{
	int r = db_run(s->db, e, "DELETE FROM refusal WHERE at < ?", "i",
		       since);

	if (r < 0)
		return r;
	r = db_run(s->db, e, "INSERT INTO refusal VALUES (?, ?, ?)", "bsi",
		   digest, (size_t)HASH_SIZE, reason, now);
	return r == -EEXIST ? 1 : r;
}
