/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/store/store.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "policyd/store/store_internal.h"

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
	".globl store_sql_003\n"
	".hidden store_sql_003\n"
	"store_sql_003:\n"
	".incbin \"schema/sql/policyd-003.sql\"\n"
	".byte 0\n"
	".globl store_sql_004\n"
	".hidden store_sql_004\n"
	"store_sql_004:\n"
	".incbin \"schema/sql/policyd-004.sql\"\n"
	".byte 0\n"
	".globl store_sql_005\n"
	".hidden store_sql_005\n"
	"store_sql_005:\n"
	".incbin \"schema/sql/policyd-005.sql\"\n"
	".byte 0\n"
	".popsection\n");
extern const char store_sql_001[], store_sql_002[], store_sql_003[],
	store_sql_004[], store_sql_005[];

int store_open(const char *dir, struct store **ret, struct err *e)
{
	const char *const migrations[] = { store_sql_001, store_sql_002,
					   store_sql_003, store_sql_004,
					   store_sql_005, NULL };
	AUTO(store_closep) struct store *s = calloc(1, sizeof(*s));
	auto_free char *path = io_join(dir, FILE_NAME);
	struct err why;
	mode_t mask;
	int r;

	if (!s || !path || !(s->dir = strdup(dir)))
		return err_oom(e, "open store");
	mask = umask(0077);
	r = db_open(path, migrations, &s->db, e);
	umask(mask);
	if (r < 0)
		return r;
	s->durable = true;
	/* Keys and passwords' counters must not linger in free pages. */
	r = db_exec(s->db, "PRAGMA secure_delete = ON", e);
	/* The log restarts before it is longer than the reserve. */
	if (r == 0)
		r = db_exec(s->db, "PRAGMA wal_autocheckpoint = 256", e);
	if (r == 0)
		r = db_keep_log(s->db, e);
	if (r < 0)
		return r;
	if (store_fill_reserve(s, &why) < 0)
		log_warning("no room is kept for commands on a full disk: %s",
			    why.text);
	*ret = steal(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db)
		db_close(s->db);
	free(s->dir);
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

int store_begin_bulk(struct store *s, bool durable, struct store **ret_tx,
		     struct err *e)
{
	int r = store_fill_reserve(s, e);

	return r < 0 ? r : store_begin(s, durable, ret_tx, e);
}

int store_commit(struct store **tx, struct err *e)
{
	struct store *s = steal(*tx);
	int r = db_commit(s->db, e);

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

void store_rollbackp(struct store **tx)
{
	if (*tx)
		db_rollback((*tx)->db);
}

int store_read_text_row(struct db_row *row, const char *what, char **ret,
			struct err *e)
{
	char *copy;
	int r = 0;

	if (!db_next(row, &r, e))
		return r < 0 ? r : err_set(e, ENOENT, "no %s is held", what);
	copy = strdup(db_text(row, 0));
	db_done(&row);
	if (!copy)
		return err_oom(e, what);
	*ret = copy;
	return 0;
}

/* ---- single values */
int store_get_int(struct store *s, const char *name, int64_t otherwise,
		  int64_t *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT value FROM meta WHERE name = ?", "s", name);

	if (r < 0)
		return r;
	*ret = r > 0 ? db_int(row, 0) : otherwise;
	return 0;
}

int64_t store_get_int_or_default(struct store *s, const char *name,
				 int64_t otherwise)
{
	int64_t v = otherwise;
	struct err ignored;

	store_get_int(s, name, otherwise, &v, &ignored);
	return v;
}

int store_set_int(struct store *s, const char *name, int64_t v, struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO meta VALUES (?, ?)",
		      "si", name, v);
}

int store_increment(struct store *s, const char *name, int64_t *ret,
		    struct err *e)
{
	int64_t v;
	int r = store_get_int(s, name, 0, &v, e);

	if (r == 0)
		r = store_set_int(s, name, v + 1, e);
	if (r == 0)
		*ret = v + 1;
	return r;
}

int store_lookup_text(struct store *s, const char *name, char **ret,
		      struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(s->db, &row, e,
			 "SELECT value FROM meta WHERE name = ?", "s", name);

	return r < 0 ? r : store_read_text_row(row, name, ret, e);
}

int store_get_text(struct store *s, const char *name, const char *otherwise,
		   char **ret, struct err *e)
{
	char *copy;
	int r = store_lookup_text(s, name, ret, e);

	if (r != -ENOENT)
		return r;
	copy = strdup(otherwise);
	if (!copy)
		return err_oom(e, name);
	*ret = copy;
	return 0;
}

int store_set_text(struct store *s, const char *name, const char *v,
		   struct err *e)
{
	return db_run(s->db, e, "INSERT OR REPLACE INTO meta VALUES (?, ?)",
		      "ss", name, v);
}

int store_remove_value(struct store *s, const char *name, struct err *e)
{
	return db_run(s->db, e, "DELETE FROM meta WHERE name = ?", "s", name);
}

int store_clear_all(struct store *s, struct err *e)
{
	return db_exec(s->db,
		       "DELETE FROM in_force; DELETE FROM staged;"
		       "DELETE FROM floor; DELETE FROM document;"
		       "DELETE FROM meta; DELETE FROM root; DELETE FROM job;"
		       "DELETE FROM receipt; DELETE FROM audit;"
		       "DELETE FROM counter; DELETE FROM vp;"
		       "DELETE FROM refusal; DELETE FROM gap",
		       e);
}

int store_clear_enrollment(struct store *s, struct err *e)
{
	static const char *const names[] = {
		STORE_STAGED,	      STORE_SNAPSHOT,
		STORE_SNAPSHOT_FLOOR, STORE_SNAPSHOT_DIGEST,
		STORE_RECEIPT_SEQ,    STORE_RECEIPT_ACKED,
		STORE_RECEIPT_HEAD,   STORE_RECEIPT_BYTES,
		STORE_RECEIPT_FLOOR,  STORE_UNTOLD,
		STORE_AUDIT_SEQ,      STORE_AUDIT_HEAD,
		STORE_AUDIT_ACKED,    STORE_AUDIT_BYTES,
		STORE_AUDIT_LOST,     STORE_APPLYING,
		STORE_MEMBER_ISSUED,  STORE_MEMBER_DIGEST,
	};
	int r = db_exec(s->db,
			"DELETE FROM staged; DELETE FROM job;"
			"DELETE FROM receipt; DELETE FROM audit;"
			"DELETE FROM refusal; DELETE FROM gap",
			e);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(names); i++)
		r = store_remove_value(s, names[i], e);
	return r;
}

/* ---- wrong passwords */
int store_get_counter(struct store *s, const char *kind, const char *name,
		      struct store_counter *ret, struct err *e)
{
	struct store_counter c = { 0 };
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e,
			 "SELECT wrong, boot FROM counter "
			 "WHERE kind = ? AND name = ?",
			 "ss", kind, name);

	if (r > 0) {
		c.wrong = (uint32_t)db_int(row, 0);
		c.boot_ns = (uint64_t)db_int(row, 1);
	}
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

void store_copy_truncated(char *ret, size_t size, const char *text)
{
	strncpy(ret, text, size - 1);
	ret[size - 1] = '\0';
}

/* ---- VPs */
int store_get_vp_state(struct store *s, const char *vp,
		       char ret[STORE_WORD_SIZE], struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e, "SELECT state FROM vp WHERE name = ?",
			 "s", vp);

	if (r >= 0)
		store_copy_truncated(ret, STORE_WORD_SIZE,
				     r > 0 ? db_text(row, 0) : "absent");
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

int store_set_vp_damaged(struct store *s, const char *vp, bool damaged,
			 struct err *e)
{
	int r = db_run(s->db, e,
		       "INSERT INTO vp (name, state, damaged) "
		       "VALUES (?, 'absent', ?) "
		       "ON CONFLICT (name) DO UPDATE "
		       "SET damaged = excluded.damaged "
		       "WHERE damaged != excluded.damaged",
		       "si", vp, (int64_t)damaged);

	return r < 0 ? r : db_changed(s->db) > 0;
}

int store_get_vp_gone(struct store *s, const char *vp, int64_t *ret,
		      struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->db, &row, e, "SELECT gone FROM vp WHERE name = ?",
			 "s", vp);

	if (r >= 0)
		*ret = r > 0 ? db_int(row, 0) : 0;
	return r < 0 ? r : 0;
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
