/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a filter: an error, or a condition that the database compiles. */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/api/filter.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static const struct filter_field fields[] = {
	{ "id", "id", FILTER_TEXT },
	{ "seq", "seq", FILTER_NUMBER },
	{ "seen", "seen", FILTER_TIME },
	{ "compliant", "compliant", FILTER_BOOL },
	{ "label.", "labels", FILTER_LABEL },
	{ NULL },
};

static void compile(const struct filter *f)
{
	static const char *const migrations[] = {
		"CREATE TABLE t (id TEXT, seq INTEGER, seen INTEGER,"
		" compliant INTEGER, labels TEXT)",
		NULL,
	};
	AUTO(db_closep) struct db *db = NULL;
	AUTO(db_done) struct db_row *row = NULL;
	auto_free char *sql = NULL;
	struct db_value value[ARRAY_SIZE(f->value)];
	struct err e;

	for (unsigned int i = 0; i < f->n; i++)
		value[i] = (struct db_value){ .text = f->value[i].text,
					      .number = f->value[i].number };
	if (db_open(":memory:", migrations, &db, &e) < 0 ||
	    asprintf(&sql, "SELECT 1 FROM t WHERE %s", f->sql) < 0 ||
	    db_query_values(db, &row, &e, sql, value, f->n) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free char *text = strndup((const char *)data, len);
	struct filter f;
	struct err e;

	if (!text)
		return 0;
	if (filter_parse(text, fields, &f, &e) == 0)
		compile(&f);
	filter_fini(&f);
	return 0;
}
