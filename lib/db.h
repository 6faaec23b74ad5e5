/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite3, with what every store of ours needs: WAL, foreign keys, full sync,
 * numbered migrations, statements that are prepared once.
 */
#ifndef LIB_DB_H
#define LIB_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct db;

/*
 * Opens (makes) the file and brings it to the newest schema: migrations[i]
 * moves from version i to i + 1 (PRAGMA user_version), NULL ends the list. A
 * file of a newer version than the program knows is -ENOTSUP.
 */
int db_open(const char *path, const char *const *migrations, struct db **ret,
	    struct err *e);
void db_close(struct db *d);

/* From here on a lock that another process holds is -EBUSY at once: for those
 * who may not wait. */
void db_never_wait(struct db *d);

/* The handle itself, for what is not wrapped here. */
sqlite3 *db_handle(struct db *d);

/* Statements without parameters and rows. */
int db_exec(struct db *d, const char *sql, struct err *e);

/*
 * A statement by its text, prepared once and kept (the text's address is its
 * key: pass literals), reset and unbound. Parameters are bound by `types`, a
 * letter each: i int64_t, s const char * (NULL: null), b const void *, size_t.
 * *ret is NULL after a failure, so that db_done() may follow each call.
 */
int db_query(struct db *d, sqlite3_stmt **ret, struct err *e, const char *sql,
	     const char *types, ...);

/* 1: there is a row; 0: no more; <0. */
int db_step(struct db *d, sqlite3_stmt *st, struct err *e);

/* db_query and the first db_step; with 1 the caller resets it after reading. */
int db_first(struct db *d, sqlite3_stmt **ret, struct err *e, const char *sql,
	     const char *types, ...);

/* The log and its index stay when the last connection is closed, so that the
 * next one needs no room on the disk. */
int db_keep_log(struct db *d, struct err *e);

/* db_query and db_step for statements without rows. Constraint: -EEXIST. */
int db_run(struct db *d, struct err *e, const char *sql, const char *types,
	   ...);

/* Nest: only the outermost begins and commits. A rollback inside makes the
 * outermost commit fail. */
int db_begin(struct db *d, struct err *e);
int db_commit(struct db *d, struct err *e);
void db_rollback(struct db *d);
/* 0: the transaction goes on, or nothing was. Else a failure, like a full disk,
 * has ended it: nothing more goes into it, and each call says that failure. */
int db_check_transaction(const struct db *d, struct err *e);

/* What was committed with PRAGMA synchronous = NORMAL survives a power cut from
 * here on (https://sqlite.org/wal.html, "Performance Considerations"). */
int db_sync(struct db *d, struct err *e);

/*
 * Ends a query that was left before its last row: until then it holds on to its
 * view of the file. A cleanup function as well: AUTO(db_done).
 */
static inline void db_done(sqlite3_stmt **st)
{
	sqlite3_reset(*st);
}

/* Columns; text and blob are "" for null. Borrowed until the next step. */
const char *db_text(sqlite3_stmt *st, int column);
const char *db_text_or_null(sqlite3_stmt *st, int column);
const void *db_blob(sqlite3_stmt *st, int column, size_t *ret_len);

static inline void db_closep(struct db **d)
{
	db_close(*d);
}

#endif
