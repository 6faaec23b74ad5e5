/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a filter: an error, or a condition that the database compiles. */
#include "lib/auto.h"
#include "lib/err.h"
#include "mgmt-server/api/filter.h"
#include "tests/fuzz/fuzz.h"

#include <sqlite3.h>
#include <string.h>

static const struct filter_field fields[] = {
	{ "id", "id", FILTER_TEXT },
	{ "seq", "seq", FILTER_NUMBER },
	{ "seen", "seen", FILTER_TIME },
	{ "compliant", "compliant", FILTER_BOOL },
	{ "label.", "labels", FILTER_LABEL },
	{ NULL },
};

static void compile(const char *condition)
{
	auto_free char *sql = NULL;
	sqlite3_stmt *st = NULL;
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_exec(db,
			 "CREATE TABLE t (id TEXT, seq INTEGER, seen INTEGER,"
			 " compliant INTEGER, labels TEXT)",
			 NULL, NULL, NULL) != SQLITE_OK ||
	    asprintf(&sql, "SELECT 1 FROM t WHERE %s", condition) < 0 ||
	    sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		abort();
	sqlite3_finalize(st);
	sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free char *text = strndup((const char *)data, len);
	struct filter f;
	struct err e;

	if (!text)
		return 0;
	if (filter_parse(text, fields, &f, &e) == 0)
		compile(f.sql);
	filter_fini(&f);
	return 0;
}
