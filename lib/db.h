/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database, and the only file that knows which engine it is: durable
 * transactions, foreign keys, numbered migrations, statements that are prepared
 * once. An error is never taken for the end of the rows: see db_next().
 */
#ifndef LIB_DB_H
#define LIB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct db;
/* A query that is bound, and the row that it is at. */
struct db_row;

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

/* Statements without parameters and rows. */
int db_exec(struct db *d, const char *sql, struct err *e)
	__attribute__((warn_unused_result));

/*
 * A statement by its text, prepared once and kept (the text's address is its
 * key: pass literals), reset and bound. Parameters are bound by `types`, a
 * letter each: i int64_t, s const char * (NULL: null), b const void *, size_t.
 * *ret is NULL after a failure, so that db_done() may follow each call.
 */
int db_query(struct db *d, struct db_row **ret, struct err *e, const char *sql,
	     const char *types, ...) __attribute__((warn_unused_result));

/* A parameter of db_query_values(): a text, or a number if it is NULL. */
struct db_value {
	const char *text;
	int64_t number;
	bool is_null;
};

/* db_query() for a text that is made at run time: prepared for this once, freed
 * by db_done(). `sql` and the values are copied. */
int db_query_values(struct db *d, struct db_row **ret, struct err *e,
		    const char *sql, const struct db_value *values, size_t n)
	__attribute__((warn_unused_result));

/*
 * True: at the next row. False: *ret is 0 after the last row, or the error that
 * ended them. *ret is what db_query() and then the loop's body return: an error
 * of theirs ends the loop and stays, and a body that leaves it above 0 is an
 * error itself, so that nothing but the last row looks like the last row:
 *
 *	r = db_query(d, &row, e, "SELECT ...", "");
 *	while (db_next(row, &r, e))
 *		r = use(db_text(row, 0), e);
 *	return r;
 */
bool db_next(struct db_row *row, int *ret, struct err *e)
	__attribute__((warn_unused_result));

/* db_query() and its first row. 1: there is one, to be ended by db_done(); 0:
 * there is none; <0. */
int db_first(struct db *d, struct db_row **ret, struct err *e, const char *sql,
	     const char *types, ...) __attribute__((warn_unused_result));

/* The log and its index stay when the last connection is closed, so that the
 * next one needs no room on the disk. */
int db_keep_log(struct db *d, struct err *e);

/* A statement whose rows, if any, nobody reads. Constraint: -EEXIST. */
int db_run(struct db *d, struct err *e, const char *sql, const char *types, ...)
	__attribute__((warn_unused_result));

/* How many rows the last statement that changes rows changed. */
int64_t db_changed(const struct db *d);

/* name(text) in statements of this connection is what `fn` says of the text,
 * which is NULL for null. */
int db_add_predicate(struct db *d, const char *name,
		     bool (*fn)(void *ctx, const char *text), void *ctx,
		     struct err *e);

/* Nest: only the outermost begins and commits. A rollback inside makes the
 * outermost commit fail. */
int db_begin(struct db *d, struct err *e) __attribute__((warn_unused_result));
int db_commit(struct db *d, struct err *e) __attribute__((warn_unused_result));
void db_rollback(struct db *d);
/* 0: the transaction goes on, or nothing was. Else a failure, like a full disk,
 * has ended it: nothing more goes into it, and each call says that failure. */
int db_check_transaction(const struct db *d, struct err *e);

/* What was committed with PRAGMA synchronous = NORMAL survives a power cut from
 * here on (https://sqlite.org/wal.html, "Performance Considerations"). */
int db_sync(struct db *d, struct err *e) __attribute__((warn_unused_result));

/*
 * Ends a query: until its last row or this it holds on to its view of the file.
 * What was borrowed from its row is gone. Sets *row to NULL; does nothing for
 * NULL. A cleanup function as well: AUTO(db_done).
 */
void db_done(struct db_row **row);

/*
 * Columns, from 0. Text and blob are borrowed until the next step or db_done(),
 * and "" for null; a number is 0 for null.
 */
int64_t db_int(struct db_row *row, int column);
bool db_bool(struct db_row *row, int column);
bool db_is_null(struct db_row *row, int column);
const char *db_text(struct db_row *row, int column);
const char *db_text_or_null(struct db_row *row, int column);
/* A copy, of "" for null, that the caller frees. */
int db_copy_text(struct db_row *row, int column, char **ret, struct err *e)
	__attribute__((warn_unused_result));
const void *db_blob(struct db_row *row, int column, size_t *ret_len);
/* Copies a blob of just `len` bytes; false, and nothing copied, for another. */
bool db_copy_blob(struct db_row *row, int column, void *ret, size_t len);
/* What the statement calls it. */
const char *db_column_name(struct db_row *row, int column);

static inline void db_closep(struct db **d)
{
	db_close(*d);
}

#endif
