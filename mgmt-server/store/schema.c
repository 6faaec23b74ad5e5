/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/schema.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/io.h"
#include "mgmt-server/store/disk_reserve.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "mgmtd.db"

__asm__(".pushsection .rodata\n"
	".global schema_sql_001\n"
	"schema_sql_001:\n"
	".incbin \"schema/sql/mgmtd-001.sql\"\n"
	".byte 0\n"
	".global schema_sql_002\n"
	"schema_sql_002:\n"
	".incbin \"schema/sql/mgmtd-002.sql\"\n"
	".byte 0\n"
	".global schema_sql_003\n"
	"schema_sql_003:\n"
	".incbin \"schema/sql/mgmtd-003.sql\"\n"
	".byte 0\n"
	".global schema_sql_004\n"
	"schema_sql_004:\n"
	".incbin \"schema/sql/mgmtd-004.sql\"\n"
	".byte 0\n"
	".popsection\n");
extern const char schema_sql_001[], schema_sql_002[], schema_sql_003[],
	schema_sql_004[];

static const char *const migrations[] = { schema_sql_001, schema_sql_002,
					  schema_sql_003, schema_sql_004,
					  NULL };

int schema_open_database(const char *dir, struct db **ret, struct err *e)
{
	auto_free char *path = io_join(dir, FILE_NAME);
	struct err ignored;
	int r;

	if (!path)
		return err_oom(e, "open the database");
	if (access(path, F_OK) < 0)
		return err_sys(e, errno, "open %s (made by cells-mgmtd init)",
			       path);
	do
		r = db_open(path, migrations, ret, e);
	while (r < 0 && e->reason == REASON_STORAGE_FULL &&
	       disk_reserve_release(dir, &ignored) > 0);
	return r;
}

int schema_create_database(const char *dir, const char *org, struct db **ret,
			   struct err *e)
{
	auto_free char *path = io_join(dir, FILE_NAME);
	AUTO(db_closep) struct db *db = NULL;
	int r;

	if (!path)
		return err_oom(e, "make the database");
	if (access(path, F_OK) == 0)
		return err_set(e, EEXIST, "make %s: it is there already", path);
	r = db_open(path, migrations, &db, e);
	if (r < 0)
		return r;
	r = db_run(db, e, "INSERT INTO meta (name, value) VALUES ('org', ?)",
		   "s", org);
	if (r < 0)
		return r;
	*ret = steal(db);
	return 0;
}

int schema_get_org(struct db *db, char ret[DOC_ID_SIZE], struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT value FROM meta WHERE name = 'org'", "");

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, EBADMSG,
			       "the database names no organisation");
	strncpy(ret, db_text(row, 0), DOC_ID_SIZE - 1);
	ret[DOC_ID_SIZE - 1] = '\0';
	return 0;
}
