/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/db.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct err e;
static char path[256];

static const char *const one[] = {
	"CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT UNIQUE, b BLOB) STRICT",
	NULL,
};
static const char *const two[] = {
	"CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT UNIQUE, b BLOB) STRICT",
	"INSERT INTO t (s) VALUES ('migrated'); "
	"CREATE TABLE u (t INTEGER REFERENCES t(id)) STRICT",
	NULL,
};
static const char *const broken[] = {
	"CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT UNIQUE, b BLOB) STRICT",
	"INSERT INTO t (s) VALUES ('half'); INSERT INTO nowhere VALUES (1)",
	NULL,
};

static struct db *open_at(const char *const *migrations)
{
	struct db *d;

	ck_assert_msg(db_open(path, migrations, &d, &e) == 0, "%s", e.text);
	return d;
}

static int64_t count(struct db *d)
{
	AUTO(db_done) struct db_row *row = NULL;

	ck_assert_int_eq(db_first(d, &row, &e, "SELECT count(*) FROM t", ""),
			 1);
	return db_int(row, 0);
}

static int put(struct db *d, const char *s)
{
	return db_run(d, &e, "INSERT INTO t (s) VALUES (?)", "s", s);
}

static void setup(void)
{
	snprintf(path, sizeof(path), "%s/db", unit_folder());
}

START_TEST(file_is_private_and_durable)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	struct stat sb;

	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_uint_eq(sb.st_mode & 0777, 0600);
	ck_assert_int_eq(db_first(d, &row, &e, "PRAGMA journal_mode", ""), 1);
	ck_assert_str_eq(db_text(row, 0), "wal");
	ck_assert_int_eq(db_first(d, &row, &e, "PRAGMA synchronous", ""), 1);
	ck_assert_int_eq(db_int(row, 0), 2);
}
END_TEST

START_TEST(values_are_bound_and_read)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	auto_free char *text = NULL;
	const void *blob;
	uint8_t copy[4];
	size_t len;
	int r = 0;

	ck_assert_int_eq(
		db_run(d, &e, "INSERT INTO t (id, s, b) VALUES (?, ?, ?)",
		       "isb", (int64_t)1 << 40, "x", "a\0b", (size_t)3),
		0);
	ck_assert_int_eq(db_run(d, &e,
				"INSERT INTO t (id, s, b) VALUES (?, ?, ?)",
				"isb", (int64_t)-1, NULL, NULL, (size_t)0),
			 0);
	ck_assert_int_eq(db_query(d, &row, &e,
				  "SELECT id, s, b FROM t ORDER BY id DESC",
				  ""),
			 0);
	ck_assert(db_next(row, &r, &e));
	ck_assert_int_eq(db_int(row, 0), (int64_t)1 << 40);
	ck_assert_str_eq(db_text(row, 1), "x");
	blob = db_blob(row, 2, &len);
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(blob, "a\0b", 3);
	ck_assert(!db_copy_blob(row, 2, copy, 4));
	ck_assert(db_copy_blob(row, 2, copy, 3));
	ck_assert_int_eq(db_copy_text(row, 1, &text, &e), 0);
	ck_assert_str_eq(text, "x");
	ck_assert_mem_eq(copy, "a\0b", 3);
	ck_assert_str_eq(db_column_name(row, 1), "s");
	ck_assert(!db_is_null(row, 1));
	ck_assert(db_next(row, &r, &e));
	ck_assert_str_eq(db_text(row, 1), "");
	ck_assert_ptr_null(db_text_or_null(row, 1));
	ck_assert(db_is_null(row, 1));
	ck_assert_ptr_nonnull(db_blob(row, 2, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert(!db_next(row, &r, &e));
	ck_assert_int_eq(r, 0);
}
END_TEST

/* Another process, or a failing disk: all of the page that sqlite keeps `table`
 * in is overwritten. */
static void damage_table(const char *table)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	static const char junk[4096] = { 0x7f, 0x7f, 0x7f };
	int64_t page;
	int fd;

	ck_assert_int_eq(db_exec(d, "PRAGMA wal_checkpoint(TRUNCATE)", &e), 0);
	ck_assert_int_eq(db_first(d, &row, &e,
				  "SELECT max(pageno) FROM dbstat"
				  " WHERE name = ? AND pagetype = 'leaf'",
				  "s", table),
			 1);
	page = db_int(row, 0);
	ck_assert_int_gt(page, 2);
	db_done(&row);
	db_close(steal(d));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, junk, sizeof(junk),
				(page - 1) * (off_t)sizeof(junk)),
			 sizeof(junk));
	close(fd);
}

#define BIG_ROWS 50

/* Rows on more pages than one. */
static void put_big_rows(struct db *d)
{
	char big[1000];

	memset(big, 'x', sizeof(big));
	for (int i = 0; i < BIG_ROWS; i++)
		ck_assert_int_eq(db_run(d, &e, "INSERT INTO t (b) VALUES (?)",
					"b", big, sizeof(big)),
				 0);
}

/* The first pages can be read: an error after them is not the end. */
START_TEST(damage_is_not_the_end_of_the_rows)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	int n = 0, r;

	put_big_rows(d);
	db_close(steal(d));
	damage_table("t");
	d = open_at(one);
	r = db_query(d, &row, &e, "SELECT b FROM t ORDER BY id", "");
	while (db_next(row, &r, &e))
		n++;
	ck_assert_int_eq(r, -EBADMSG);
	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, BIG_ROWS);
	ck_assert_ptr_nonnull(strstr(e.text, "SELECT b FROM t"));
}
END_TEST

/* Each read of the file in turn, until a run in which none failed. */
START_TEST(failed_read_is_not_the_end_of_the_rows)
{
	AUTO(db_closep) struct db *d = open_at(one);
	unsigned int failed = 0;
	int r, rows;

	put_big_rows(d);
	ck_assert_int_eq(db_exec(d, "PRAGMA cache_size = 1", &e), 0);
	do {
		AUTO(db_done) struct db_row *row = NULL;

		rows = 0;
		fault_read_at(++failed);
		r = db_query(d, &row, &e, "SELECT b FROM t ORDER BY id", "");
		while (db_next(row, &r, &e))
			rows++;
		ck_assert_int_eq(r < 0, fault_read_fired());
		ck_assert(rows == BIG_ROWS || r < 0);
	} while (r < 0);
	ck_assert_uint_gt(failed, 5);
}
END_TEST

static const int row_results[] = { -ENOENT, 0, 1, 7 };

/* What the body leaves ends the rows with an error, or goes on. */
START_TEST(result_of_a_row_is_not_lost)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	int r, rows = 0, of_row = row_results[_i];

	ck_assert_int_eq(put(d, "a"), 0);
	ck_assert_int_eq(put(d, "b"), 0);
	r = db_query(d, &row, &e, "SELECT s FROM t", "");
	while (db_next(row, &r, &e)) {
		rows++;
		r = of_row;
	}
	ck_assert_int_eq(r, of_row > 0 ? -EPROTO : of_row);
	ck_assert_int_eq(rows, of_row == 0 ? 2 : 1);
	if (of_row > 0)
		ck_assert_ptr_nonnull(strstr(e.text, "SELECT s FROM t"));
}
END_TEST

START_TEST(query_that_failed_has_no_rows)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(d, &row, &e, "SELECT nothing", "");

	ck_assert(!db_next(row, &r, &e));
	ck_assert_int_eq(r, -EIO);
}
END_TEST

START_TEST(values_of_a_made_statement_are_bound)
{
	const struct db_value values[] = { { .text = "x" },
					   { .number = 7 },
					   { .is_null = true } };
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	int r = 0;

	ck_assert_int_eq(db_query_values(d, &row, &e, "SELECT ?, ?, ?", values,
					 ARRAY_SIZE(values)),
			 0);
	ck_assert(db_next(row, &r, &e));
	ck_assert_str_eq(db_text(row, 0), "x");
	ck_assert_int_eq(db_int(row, 1), 7);
	ck_assert(db_is_null(row, 2));
	ck_assert(!db_next(row, &r, &e));
	ck_assert_int_eq(r, 0);
	db_done(&row);
	ck_assert_ptr_null(row);
	ck_assert_int_eq(db_query_values(d, &row, &e, "SELEKT", NULL, 0), -EIO);
	ck_assert_ptr_null(row);
}
END_TEST

static bool is_known(void *ctx, const char *text)
{
	return text && strcmp(text, ctx) == 0;
}

START_TEST(predicate_chooses_rows)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_done) struct db_row *row = NULL;
	char known[] = "b";

	ck_assert_int_eq(db_add_predicate(d, "known", is_known, known, &e), 0);
	ck_assert_int_eq(db_exec(d,
				 "INSERT INTO t (s) VALUES ('a'), ('b'),"
				 " (NULL)",
				 &e),
			 0);
	ck_assert_int_eq(db_changed(d), 3);
	ck_assert_int_eq(
		db_first(d, &row, &e,
			 "SELECT group_concat(s) FROM t WHERE known(s)", ""),
		1);
	ck_assert_str_eq(db_text(row, 0), "b");
}
END_TEST

START_TEST(constraint_is_told_apart)
{
	AUTO(db_closep) struct db *d = open_at(two);

	ck_assert_int_eq(put(d, "a"), 0);
	ck_assert_int_eq(put(d, "a"), -EEXIST);
	ck_assert_int_eq(
		db_run(d, &e, "INSERT INTO u VALUES (?)", "i", (int64_t)99),
		-EEXIST);
	ck_assert_int_eq(put(d, "b"), 0);
}
END_TEST

START_TEST(migrations_run_once)
{
	db_close(open_at(one));
	AUTO(db_closep) struct db *d = open_at(two);
	ck_assert_int_eq(count(d), 1);
	db_close(steal(d));
	d = open_at(two);
	ck_assert_int_eq(count(d), 1);
}
END_TEST

START_TEST(failed_migration_leaves_the_old_version)
{
	struct db *d;

	db_close(open_at(one));
	ck_assert_int_lt(db_open(path, broken, &d, &e), 0);
	AUTO(db_closep) struct db *again = open_at(one);
	ck_assert_int_eq(count(again), 0);
}
END_TEST

/* A process of its own, as sqlite must not be carried over a fork. */
static pid_t open_when_told(int fd)
{
	pid_t pid = fork();
	char go;

	if (pid == 0) {
		ck_assert_int_eq(read(fd, &go, 1), 1);
		db_close(open_at(two));
		_exit(0);
	}
	return pid;
}

/* The other one finds the old version, and then waits for us. */
START_TEST(two_that_open_at_once_migrate_once)
{
	int status = -1, fds[2];
	pid_t pid;

	db_close(open_at(one));
	ck_assert_int_eq(pipe(fds), 0);
	pid = open_when_told(fds[0]);
	AUTO(db_closep) struct db *d = open_at(one);
	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(write(fds[1], "", 1), 1);
	usleep(300000);
	ck_assert_int_eq(db_exec(d, two[1], &e), 0);
	ck_assert_int_eq(db_exec(d, "PRAGMA user_version = 2", &e), 0);
	ck_assert_int_eq(db_commit(d, &e), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(count(d), 1);
}
END_TEST

START_TEST(newer_file_is_refused)
{
	struct db *d;

	db_close(open_at(two));
	ck_assert_int_eq(db_open(path, one, &d, &e), -ENOTSUP);
}
END_TEST

START_TEST(file_that_is_no_database_is_refused)
{
	FILE *f = fopen(path, "w");
	struct db *d;

	for (int i = 0; i < 1000; i++)
		fputs("this is not a database", f);
	fclose(f);
	ck_assert_int_eq(db_open(path, one, &d, &e), -EBADMSG);
}
END_TEST

START_TEST(nested_transactions_commit_with_the_outermost)
{
	AUTO(db_closep) struct db *d = open_at(one);
	AUTO(db_closep) struct db *other = open_at(one);

	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(put(d, "a"), 0);
	ck_assert_int_eq(db_commit(d, &e), 0);
	ck_assert_int_eq(count(other), 0);
	ck_assert_int_eq(db_commit(d, &e), 0);
	ck_assert_int_eq(count(other), 1);
}
END_TEST

START_TEST(rollback_inside_fails_the_outermost_commit)
{
	AUTO(db_closep) struct db *d = open_at(one);

	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(put(d, "a"), 0);
	ck_assert_int_eq(db_begin(d, &e), 0);
	db_rollback(d);
	ck_assert_int_eq(db_commit(d, &e), -ECANCELED);
	ck_assert_int_eq(count(d), 0);
	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(put(d, "a"), 0);
	ck_assert_int_eq(db_commit(d, &e), 0);
	ck_assert_int_eq(count(d), 1);
}
END_TEST

START_TEST(rollback_undoes)
{
	AUTO(db_closep) struct db *d = open_at(one);

	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(put(d, "a"), 0);
	db_rollback(d);
	ck_assert_int_eq(count(d), 0);
	ck_assert_int_eq(put(d, "a"), 0);
}
END_TEST

START_TEST(full_disk_is_told_and_undone)
{
	AUTO(db_closep) struct db *d = open_at(one);
	char big[20000];
	int r = 0;

	memset(big, 'x', sizeof(big));
	ck_assert_int_eq(db_exec(d, "PRAGMA max_page_count = 20", &e), 0);
	ck_assert_int_eq(db_begin(d, &e), 0);
	for (int i = 0; r == 0 && i < 100; i++)
		r = db_run(d, &e, "INSERT INTO t (b) VALUES (?)", "b", big,
			   sizeof(big));
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_str_eq(err_code(&e), "err.storage-full");
	db_rollback(d);
	ck_assert_int_eq(count(d), 0);
}
END_TEST

/* As a disk that cannot be read does: each call says what it was. */
START_TEST(what_ended_a_transaction_is_told_from_then_on)
{
	AUTO(db_closep) struct db *d = open_at(one);

	ck_assert_int_eq(db_exec(d,
				 "CREATE TEMP TRIGGER x BEFORE INSERT ON t"
				 " BEGIN SELECT RAISE(ROLLBACK, 'broken'); END",
				 &e),
			 0);
	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(db_check_transaction(d, &e), 0);
	ck_assert_int_eq(put(d, "a"), -EEXIST);
	ck_assert_int_eq(db_check_transaction(d, &e), -EEXIST);
	ck_assert_int_eq(db_exec(d, "DROP TRIGGER x", &e), -EEXIST);
	ck_assert_ptr_nonnull(strstr(e.text, "broken"));
	ck_assert_int_eq(db_commit(d, &e), -EEXIST);
	ck_assert_int_eq(db_check_transaction(d, &e), 0);
	ck_assert_int_eq(db_exec(d, "DROP TRIGGER x", &e), 0);
	ck_assert_int_eq(db_begin(d, &e), 0);
	ck_assert_int_eq(put(d, "a"), 0);
	ck_assert_int_eq(db_commit(d, &e), 0);
	ck_assert_int_eq(count(d), 1);
}
END_TEST

START_TEST(bad_statement_is_an_error)
{
	AUTO(db_closep) struct db *d = open_at(one);
	struct db_row *row = (struct db_row *)d; /* as a stack leaves it */

	ck_assert_int_eq(db_query(d, &row, &e, "SELECT nothing", ""), -EIO);
	ck_assert_ptr_null(row);
	ck_assert_int_eq(db_exec(d, "SELEKT", &e), -EIO);
}
END_TEST

/* More of them than the first room of the cache. */
START_TEST(many_statements_are_kept)
{
	static char sql[100][32];
	AUTO(db_closep) struct db *d = open_at(one);

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 100; i++) {
			AUTO(db_done) struct db_row *row = NULL;

			snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
			ck_assert_int_eq(db_first(d, &row, &e, sql[i], ""), 1);
			ck_assert_int_eq(db_int(row, 0), i);
		}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, file_is_private_and_durable);
	tcase_add_test(tc, values_are_bound_and_read);
	tcase_add_test(tc, damage_is_not_the_end_of_the_rows);
	tcase_add_test(tc, failed_read_is_not_the_end_of_the_rows);
	tcase_add_loop_test(tc, result_of_a_row_is_not_lost, 0,
			    ARRAY_SIZE(row_results));
	tcase_add_test(tc, query_that_failed_has_no_rows);
	tcase_add_test(tc, values_of_a_made_statement_are_bound);
	tcase_add_test(tc, predicate_chooses_rows);
	tcase_add_test(tc, constraint_is_told_apart);
	tcase_add_test(tc, migrations_run_once);
	tcase_add_test(tc, failed_migration_leaves_the_old_version);
	tcase_add_test(tc, two_that_open_at_once_migrate_once);
	tcase_add_test(tc, newer_file_is_refused);
	tcase_add_test(tc, file_that_is_no_database_is_refused);
	tcase_add_test(tc, nested_transactions_commit_with_the_outermost);
	tcase_add_test(tc, rollback_inside_fails_the_outermost_commit);
	tcase_add_test(tc, rollback_undoes);
	tcase_add_test(tc, full_disk_is_told_and_undone);
	tcase_add_test(tc, what_ended_a_transaction_is_told_from_then_on);
	tcase_add_test(tc, bad_statement_is_an_error);
	tcase_add_test(tc, many_statements_are_kept);
}

UNIT_MAIN("db", add)
