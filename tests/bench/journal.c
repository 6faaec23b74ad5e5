/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable commits of a start's three records, by cellsd's journal or by SQLite
 * (WAL, synchronous = FULL), each in a file of DIR. `journal WHO N DIR` does N
 * commits and prints the nanoseconds that one took, on average.
 */
#include "cellsd/vp/journal.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/io.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMITS_MAX 100000
#define RECORDS 3

/* What cellsd writes when a VP starts. */
static const char *const records[RECORDS][3] = {
	{ "prepare", "work", "work-00000017" },
	{ "start", "work", "work-00000017" },
	{ "state", "work", "background" },
};

static int ignore_record(void *arg, const char *const *word, unsigned int n,
			 struct err *e)
{
	(void)arg;
	(void)word;
	(void)n;
	(void)e;
	return 0;
}

static int commit_to_journal(const char *path, unsigned long n, bool sync,
			     uint64_t *ret_ns, struct err *e)
{
	AUTO(journal_closep) struct journal *j = NULL;
	uint64_t start;
	int r = journal_open(path, ignore_record, NULL, &j, e);

	start = clock_mono_ns();
	for (unsigned long i = 0; r == 0 && i < n; i++) {
		for (int k = 0; k < RECORDS; k++)
			journal_add_record(j, records[k][0], records[k][1],
					   records[k][2], NULL);
		r = sync ? journal_commit_batch(j, e)
			 : journal_commit_unsynced(j, e);
	}
	*ret_ns = clock_mono_ns() - start;
	return r;
}

static int insert_records(struct db *d, struct err *e)
{
	int r = db_begin(d, e);

	for (int k = 0; r == 0 && k < RECORDS; k++)
		r = db_run(d, e,
			   "INSERT INTO record (kind, vp, value) VALUES (?, ?, "
			   "?)",
			   "sss", records[k][0], records[k][1], records[k][2]);
	if (r == 0)
		return db_commit(d, e);
	db_rollback(d);
	return r;
}

static int commit_to_sqlite(const char *path, unsigned long n, bool sync,
			    uint64_t *ret_ns, struct err *e)
{
	static const char *const schema[] = {
		"CREATE TABLE record (seq INTEGER PRIMARY KEY, kind TEXT, vp "
		"TEXT, value TEXT)",
		NULL,
	};
	AUTO(db_closep) struct db *d = NULL;
	uint64_t start;
	int r = db_open(path, schema, &d, e);

	if (r == 0)
		r = db_exec(d,
			    sync ? "PRAGMA synchronous = FULL"
				 : "PRAGMA synchronous = OFF",
			    e);
	start = clock_mono_ns();
	for (unsigned long i = 0; r == 0 && i < n; i++)
		r = insert_records(d, e);
	*ret_ns = clock_mono_ns() - start;
	return r;
}

static const struct {
	const char *name;
	int (*fn)(const char *path, unsigned long n, bool sync,
		  uint64_t *ret_ns, struct err *e);
	bool sync;
} sides[] = {
	{ "journal", commit_to_journal, true },
	{ "sqlite", commit_to_sqlite, true },
	{ "journal-unsynced", commit_to_journal, false },
	{ "sqlite-unsynced", commit_to_sqlite, false },
};

int main(int argc, char **argv)
{
	unsigned long n = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	auto_free char *path = NULL;
	struct err e;
	uint64_t ns;

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		if (n == 0 || n > COMMITS_MAX ||
		    strcmp(argv[1], sides[i].name) != 0)
			continue;
		path = io_join(argv[3], sides[i].name);
		if (!path)
			return EXIT_FAILURE;
		if (sides[i].fn(path, n, sides[i].sync, &ns, &e) < 0) {
			fprintf(stderr, "journal: %s\n", e.text);
			return EXIT_FAILURE;
		}
		printf("%" PRIu64 "\n", ns / n);
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: journal journal|sqlite|journal-unsynced|"
			"sqlite-unsynced COMMITS FOLDER\n");
	return 64;
}
