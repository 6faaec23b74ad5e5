/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database. Only this file knows the database engine: durable transactions,
 * foreign keys, numbered migrations, and prepared statements. An error is never
 * treated as the end of the rows: see db_next().
 */
#ifndef LIB_DB_H
#define LIB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct db;
/* A bound query and its current row. */
struct db_row;

/*
 * Opens or creates the file and migrates it to the newest schema: migrations[i]
 * converts version i to i + 1 (PRAGMA user_version), and NULL ends the list.
 * -ENOTSUP: the file has a newer version than the program.
 */
int db_open(const char *path, const char *const *migrations, struct db **ret,
	    struct err *e);
void db_close(struct db *d);

/*
 * After this call, a lock of another process fails with -EBUSY at once, for
 * callers that must not wait.
 */
void db_never_wait(struct db *d);

/* Executes statements without parameters and rows. */
int db_exec(struct db *d, const char *sql, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Prepares, resets and binds a statement. The prepared statement is kept; the
 * address of the text is its key, so pass string literals. `types` has a letter
 * for each parameter: i int64_t, s const char * (NULL: null), b const void *,
 * size_t. *ret is NULL after a failure, so that db_done() can follow each call.
 */
int db_query(struct db *d, struct db_row **ret, struct err *e, const char *sql,
	     const char *types, ...) __attribute__((warn_unused_result));

/* A parameter of db_query_values(): a text, or a number if the text is NULL. */
struct db_value {
	const char *text;
	int64_t number;
	bool is_null;
};

/*
 * db_query() for a text that is built at run time. It is prepared once and
 * freed by db_done(). `sql` and the values are copied.
 */
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

/*
 * db_query() and its first row. Returns 1 if there is a row, which db_done()
 * must end, 0 if there is none, or a negative errno.
 */
int db_first(struct db *d, struct db_row **ret, struct err *e, const char *sql,
	     const char *types, ...) __attribute__((warn_unused_result));

/*
 * Keeps the log and its index when the last connection is closed, so that the
 * next connection needs no disk space.
 */
int db_keep_log(struct db *d, struct err *e);

/* Executes a statement and discards its rows. -EEXIST: a constraint failed. */
int db_run(struct db *d, struct err *e, const char *sql, const char *types, ...)
	__attribute__((warn_unused_result));

/* The number of rows that the last modifying statement changed. */
int64_t db_changed(const struct db *d);

/*
 * Defines name(text) for statements of this connection as the result of `fn`;
 * the text is NULL for null.
 */
int db_add_predicate(struct db *d, const char *name,
		     bool (*fn)(void *ctx, const char *text), void *ctx,
		     struct err *e);

/*
 * Transactions nest: only the outermost begins and commits. After an inner
 * rollback, the outermost commit fails.
 */
int db_begin(struct db *d, struct err *e) __attribute__((warn_unused_result));
int db_commit(struct db *d, struct err *e) __attribute__((warn_unused_result));
void db_rollback(struct db *d);
/*
 * Returns 0 if the transaction continues, or if there was none. Otherwise a
 * failure, such as a full disk, has ended it; each further call returns this
 * failure and changes nothing.
 */
int db_check_transaction(const struct db *d, struct err *e);

/*
 * After this call, transactions committed with PRAGMA synchronous = NORMAL
 * survive a power cut (https://sqlite.org/wal.html, "Performance
 * Considerations").
 */
int db_sync(struct db *d, struct err *e) __attribute__((warn_unused_result));

/*
 * Ends a query. Until its last row or this call, a query keeps its view of the
 * file. Values borrowed from its row become invalid. Sets *row to NULL; does
 * nothing for NULL. It is also a cleanup function: AUTO(db_done).
 */
void db_done(struct db_row **row);

/*
 * Columns, from 0. Text and blobs are borrowed until the next row or db_done(),
 * and are "" for null. A number is 0 for null.
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
/*
 * Copies a blob of exactly `len` bytes. Returns false, and copies nothing, for
 * another length.
 */
bool db_copy_blob(struct db_row *row, int column, void *ret, size_t len);
/* The name of the column in the statement. */
const char *db_column_name(struct db_row *row, int column);

static inline void db_closep(struct db **d)
{
	db_close(*d);
}

#endif
