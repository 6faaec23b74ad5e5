/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/db.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUSY_MS 5000

struct db_row {
	struct db *db;
	const char *sql; /* NULL: not kept */
	sqlite3_stmt *st;
};

struct predicate {
	struct predicate *next;
	bool (*fn)(void *ctx, const char *text);
	void *ctx;
};

struct db {
	sqlite3 *handle;
	struct db_row **kept;
	size_t n, room;
	struct predicate *predicates;
	unsigned int depth; /* of db_begin() */
	bool is_spoilt;	    /* something inside was rolled back */
	/* What ended the transaction; 0: nothing did. */
	int ended;
	struct err why_ended;
};

static int get_sqlite_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CONSTRAINT:
		return EEXIST;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EBADMSG;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return EACCES;
	default:
		return EIO;
	}
}

/* Also a file beside the database that cannot be made or grow. */
static bool is_storage_full(struct db *d, int rc)
{
	if ((rc & 0xff) == SQLITE_FULL)
		return true;
	return ((rc & 0xff) == SQLITE_IOERR ||
		(rc & 0xff) == SQLITE_CANTOPEN) &&
	       (sqlite3_system_errno(d->handle) == ENOSPC ||
		sqlite3_system_errno(d->handle) == EDQUOT);
}

/*
 * Some failures end the transaction by themselves (sqlite3_get_autocommit):
 * what came behind such a one would be committed statement by statement.
 */
static bool has_transaction_ended(const struct db *d)
{
	return d->depth > 0 && sqlite3_get_autocommit(d->handle);
}

/* The statement's first words are enough to find it. */
static int report_sqlite_error(struct db *d, const char *what, struct err *e)
{
	int rc = sqlite3_extended_errcode(d->handle);
	int r = is_storage_full(d, rc) ? err_reason(e, REASON_STORAGE_FULL,
						    "database: %.60s: %s", what,
						    sqlite3_errmsg(d->handle))
				       : err_set(e, get_sqlite_errno(rc),
						 "database: %.60s: %s", what,
						 sqlite3_errmsg(d->handle));

	if (has_transaction_ended(d) && d->ended == 0) {
		d->ended = r;
		d->why_ended = *e;
	}
	return err_negative(r);
}

static int report_transaction_ended(const struct db *d, const char *what,
				    struct err *e)
{
	if (d->ended == 0)
		return err_set(e, ECANCELED,
			       "database: %.60s: a part was rolled back", what);
	*e = d->why_ended;
	return err_negative(d->ended);
}

int db_check_transaction(const struct db *d, struct err *e)
{
	return has_transaction_ended(d)
		       ? report_transaction_ended(d, "transaction", e)
		       : 0;
}

int db_exec(struct db *d, const char *sql, struct err *e)
{
	if (has_transaction_ended(d))
		return report_transaction_ended(d, sql, e);
	if (sqlite3_exec(d->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return report_sqlite_error(d, sql, e);
	return 0;
}

/* sqlite would make it readable for everybody; its side files take its mode. */
static int create_private_file(const char *path, struct err *e)
{
	auto_close int fd = -1;

	if (strcmp(path, ":memory:") == 0)
		return 0;
	fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

static int get_schema_version(struct db *d, int64_t *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(d, &row, e, "PRAGMA user_version", "");

	if (r < 0)
		return r;
	*ret = r > 0 ? db_int(row, 0) : 0;
	return 0;
}

/* One step, whole or not at all; none if another process has taken it since. */
static int apply_migration(struct db *d, const char *sql, int64_t to,
			   struct err *e)
{
	int64_t version = 0;
	char pragma[64];
	int r;

	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %" PRId64, to);
	r = db_begin(d, e);
	if (r < 0)
		return r;
	r = get_schema_version(d, &version, e);
	if (r == 0 && version < to)
		r = db_exec(d, sql, e);
	if (r == 0 && version < to)
		r = db_exec(d, pragma, e);
	if (r == 0)
		return db_commit(d, e);
	db_rollback(d);
	return r;
}

static int prepare_database(struct db *d, const char *path,
			    const char *const *migrations, struct err *e)
{
	static const char *const pragmas[] = {
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = ON",
		"PRAGMA trusted_schema = OFF",
	};
	int64_t version = 0, newest = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(pragmas); i++) {
		r = db_exec(d, pragmas[i], e);
		if (r < 0)
			return r;
	}
	r = get_schema_version(d, &version, e);
	if (r < 0)
		return r;
	while (migrations[newest])
		newest++;
	if (version < 0 || version > newest)
		return err_set(e, ENOTSUP,
			       "open %s: it is of version %" PRId64
			       ", this program knows up to %" PRId64,
			       path, version, newest);
	for (; version < newest; version++) {
		r = apply_migration(d, migrations[version], version + 1, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int db_open(const char *path, const char *const *migrations, struct db **ret,
	    struct err *e)
{
	AUTO(db_closep) struct db *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, path);
	r = create_private_file(path, e);
	if (r < 0)
		return r;
	r = sqlite3_open_v2(path, &d->handle,
			    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
				    SQLITE_OPEN_NOMUTEX,
			    NULL);
	if (r != SQLITE_OK)
		return err_set(e, get_sqlite_errno(r), "open %s: %s", path,
			       sqlite3_errstr(r));
	sqlite3_extended_result_codes(d->handle, 1);
	sqlite3_busy_timeout(d->handle, BUSY_MS);
	r = prepare_database(d, path, migrations, e);
	if (r == -EBADMSG)
		return err_set(e, EBADMSG,
			       "open %s: it is damaged (%s) and was left as it "
			       "is: put a good copy in its place",
			       path, sqlite3_errmsg(d->handle));
	if (r < 0)
		return r;
	*ret = steal(d);
	return 0;
}

static void free_row(struct db_row *row)
{
	if (row)
		sqlite3_finalize(row->st);
	free(row);
}

static void free_rowp(struct db_row **row)
{
	free_row(*row);
}

void db_close(struct db *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		free_row(d->kept[i]);
	free(d->kept);
	sqlite3_close(d->handle);
	while (d->predicates) {
		struct predicate *p = d->predicates;

		d->predicates = p->next;
		free(p);
	}
	free(d);
}

void db_never_wait(struct db *d)
{
	sqlite3_busy_timeout(d->handle, 0);
}

/* Some dozens of statements: going through their addresses is quick enough. */
static struct db_row *find_statement(struct db *d, const char *sql)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->kept[i]->sql == sql)
			return d->kept[i];
	return NULL;
}

static int prepare_statement(struct db *d, const char *sql, unsigned int flags,
			     struct db_row **ret, struct err *e)
{
	AUTO(free_rowp) struct db_row *row = calloc(1, sizeof(*row));

	if (!row)
		return err_oom(e, "database");
	row->db = d;
	if (sqlite3_prepare_v3(d->handle, sql, -1, flags, &row->st, NULL) !=
	    SQLITE_OK)
		return report_sqlite_error(d, sql, e);
	assert(row->st);
	*ret = steal(row);
	return 0;
}

static int prepare_kept_statement(struct db *d, const char *sql,
				  struct db_row **ret, struct err *e)
{
	struct db_row *row = find_statement(d, sql), **kept;
	int r;

	if (row) {
		assert(strcmp(sqlite3_sql(row->st), sql) == 0);
		sqlite3_reset(row->st);
		sqlite3_clear_bindings(row->st);
		*ret = row;
		return 0;
	}
	if (d->n == d->room) {
		size_t room = d->room ? 2 * d->room : 16;

		kept = reallocarray(d->kept, room, sizeof(struct db_row *));
		if (!kept)
			return err_oom(e, "database");
		d->kept = kept;
		d->room = room;
	}
	r = prepare_statement(d, sql, SQLITE_PREPARE_PERSISTENT, &row, e);
	if (r < 0)
		return r;
	assert(row);
	row->sql = sql;
	d->kept[d->n++] = row;
	*ret = row;
	return 0;
}

static int bind_parameter(sqlite3_stmt *st, int i, char type, va_list *ap)
{
	const void *blob;
	const char *s;
	size_t len;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(st, i, va_arg(*ap, int64_t));
	case 's':
		s = va_arg(*ap, const char *);
		return sqlite3_bind_text(st, i, s, -1, SQLITE_TRANSIENT);
	case 'b':
		blob = va_arg(*ap, const void *);
		len = va_arg(*ap, size_t);
		return sqlite3_bind_blob64(st, i, blob, len, SQLITE_TRANSIENT);
	default:
		return SQLITE_MISUSE;
	}
}

static int report_bind_error(int rc, const char *sql, struct err *e)
{
	return err_set(e, get_sqlite_errno(rc), "database: %.60s: %s", sql,
		       sqlite3_errstr(rc));
}

static int prepare_bound_query(struct db *d, struct db_row **ret, struct err *e,
			       const char *sql, const char *types, va_list *ap)
{
	struct db_row *row = NULL;
	int r;

	*ret = NULL;
	if (has_transaction_ended(d))
		return report_transaction_ended(d, sql, e);
	r = prepare_kept_statement(d, sql, &row, e);
	if (r < 0)
		return r;
	assert((size_t)sqlite3_bind_parameter_count(row->st) == strlen(types));
	for (int i = 0; types[i]; i++) {
		r = bind_parameter(row->st, i + 1, types[i], ap);
		if (r != SQLITE_OK)
			return report_bind_error(r, sql, e);
	}
	*ret = row;
	return 0;
}

int db_query(struct db *d, struct db_row **ret, struct err *e, const char *sql,
	     const char *types, ...)
{
	va_list ap;
	int r;

	va_start(ap, types);
	r = prepare_bound_query(d, ret, e, sql, types, &ap);
	va_end(ap);
	return r;
}

static int bind_value(sqlite3_stmt *st, int i, const struct db_value *v)
{
	if (v->is_null)
		return sqlite3_bind_null(st, i);
	return v->text ? sqlite3_bind_text(st, i, v->text, -1, SQLITE_TRANSIENT)
		       : sqlite3_bind_int64(st, i, v->number);
}

int db_query_values(struct db *d, struct db_row **ret, struct err *e,
		    const char *sql, const struct db_value *values, size_t n)
{
	AUTO(free_rowp) struct db_row *row = NULL;
	int r;

	*ret = NULL;
	if (has_transaction_ended(d))
		return report_transaction_ended(d, sql, e);
	r = prepare_statement(d, sql, 0, &row, e);
	if (r < 0)
		return r;
	assert((size_t)sqlite3_bind_parameter_count(row->st) == n);
	for (size_t i = 0; i < n; i++) {
		r = bind_value(row->st, (int)i + 1, &values[i]);
		if (r != SQLITE_OK)
			return report_bind_error(r, sql, e);
	}
	*ret = steal(row);
	return 0;
}

/* 1: there is a row; 0: no more; <0. */
static int step_row(struct db_row *row, struct err *e)
{
	int rc = sqlite3_step(row->st), r;

	if (rc == SQLITE_ROW)
		return 1;
	r = rc == SQLITE_DONE
		    ? 0
		    : report_sqlite_error(row->db, sqlite3_sql(row->st), e);
	/* Else it would hold on to its view of the file. */
	sqlite3_reset(row->st);
	return r;
}

bool db_next(struct db_row *row, int *ret, struct err *e)
{
	int r;

	if (*ret > 0)
		*ret = err_set(e, EPROTO,
			       "database: %.60s: a row was left with %d",
			       sqlite3_sql(row->st), *ret);
	if (*ret < 0)
		return false;
	r = step_row(row, e);
	*ret = r < 0 ? r : 0;
	return r > 0;
}

int db_first(struct db *d, struct db_row **ret, struct err *e, const char *sql,
	     const char *types, ...)
{
	va_list ap;
	int r;

	va_start(ap, types);
	r = prepare_bound_query(d, ret, e, sql, types, &ap);
	va_end(ap);
	return r < 0 ? r : step_row(*ret, e);
}

int db_run(struct db *d, struct err *e, const char *sql, const char *types, ...)
{
	AUTO(db_done) struct db_row *row = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = prepare_bound_query(d, &row, e, sql, types, &ap);
	va_end(ap);
	if (r == 0)
		r = step_row(row, e);
	return r < 0 ? r : 0;
}

int64_t db_changed(const struct db *d)
{
	return sqlite3_changes64(d->handle);
}

static void call_predicate(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	const struct predicate *p = sqlite3_user_data(ctx);

	sqlite3_result_int(
		ctx, p->fn(p->ctx, (const char *)sqlite3_value_text(arg[0])));
}

int db_add_predicate(struct db *d, const char *name,
		     bool (*fn)(void *ctx, const char *text), void *ctx,
		     struct err *e)
{
	struct predicate *p = calloc(1, sizeof(*p));

	if (!p)
		return err_oom(e, name);
	p->fn = fn;
	p->ctx = ctx;
	p->next = d->predicates;
	d->predicates = p;
	if (sqlite3_create_function(d->handle, name, 1, SQLITE_UTF8, p,
				    call_predicate, NULL, NULL) != SQLITE_OK)
		return report_sqlite_error(d, name, e);
	return 0;
}

int db_begin(struct db *d, struct err *e)
{
	int r;

	if (d->depth == 0) {
		r = db_exec(d, "BEGIN IMMEDIATE", e);
		if (r < 0)
			return r;
		d->is_spoilt = false;
		d->ended = 0;
	}
	d->depth++;
	return 0;
}

static void rollback_transaction(struct db *d)
{
	if (!sqlite3_get_autocommit(d->handle))
		sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
}

int db_commit(struct db *d, struct err *e)
{
	int r;

	assert(d->depth > 0);
	d->is_spoilt |= has_transaction_ended(d);
	if (--d->depth > 0)
		return 0;
	if (d->is_spoilt) {
		rollback_transaction(d);
		return report_transaction_ended(d, "COMMIT", e);
	}
	r = db_exec(d, "COMMIT", e);
	if (r < 0)
		rollback_transaction(d);
	return r;
}

void db_rollback(struct db *d)
{
	assert(d->depth > 0);
	d->is_spoilt = true;
	if (--d->depth == 0)
		rollback_transaction(d);
}

int db_sync(struct db *d, struct err *e)
{
	sqlite3_file *wal = NULL;
	int rc = sqlite3_file_control(d->handle, "main",
				      SQLITE_FCNTL_JOURNAL_POINTER, &wal);

	/* A file that was never written to has no methods. */
	if (rc == SQLITE_OK && wal && wal->pMethods)
		rc = wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL);
	if (rc != SQLITE_OK)
		return err_set(e, get_sqlite_errno(rc), "database: sync: %s",
			       sqlite3_errstr(rc));
	return 0;
}

void db_done(struct db_row **row)
{
	struct db_row *w = steal(*row);

	if (w && w->sql)
		sqlite3_reset(w->st);
	else
		free_row(w);
}

int64_t db_int(struct db_row *row, int column)
{
	return sqlite3_column_int64(row->st, column);
}

bool db_bool(struct db_row *row, int column)
{
	return db_int(row, column) != 0;
}

bool db_is_null(struct db_row *row, int column)
{
	return sqlite3_column_type(row->st, column) == SQLITE_NULL;
}

const char *db_text_or_null(struct db_row *row, int column)
{
	return (const char *)sqlite3_column_text(row->st, column);
}

const char *db_text(struct db_row *row, int column)
{
	const char *s = db_text_or_null(row, column);

	return s ? s : "";
}

int db_copy_text(struct db_row *row, int column, char **ret, struct err *e)
{
	char *copy = strdup(db_text(row, column));

	if (!copy)
		return err_oom(e, "read the database");
	*ret = copy;
	return 0;
}

const void *db_blob(struct db_row *row, int column, size_t *ret_len)
{
	const void *blob = sqlite3_column_blob(row->st, column);

	*ret_len = (size_t)sqlite3_column_bytes(row->st, column);
	return blob ? blob : "";
}

bool db_copy_blob(struct db_row *row, int column, void *ret, size_t len)
{
	const void *blob;
	size_t have;

	blob = db_blob(row, column, &have);
	if (have != len)
		return false;
	memcpy(ret, blob, len);
	return true;
}

const char *db_column_name(struct db_row *row, int column)
{
	return sqlite3_column_name(row->st, column);
}

int db_keep_log(struct db *d, struct err *e)
{
	int on = 1;
	int rc = sqlite3_file_control(d->handle, "main",
				      SQLITE_FCNTL_PERSIST_WAL, &on);

	return rc == SQLITE_OK ? 0 : report_sqlite_error(d, "keep the log", e);
}
