/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/local_token.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/store/token.h"

#include <stdio.h>

#define LIFE (30 * INT64_C(86400))
#define NOTE "local-token "

int local_token_create(struct db *db, char *ret, struct err *e)
{
	char id[17], note[sizeof(NOTE) + 16];
	int r = db_begin(db, e);

	if (r < 0)
		return r;
	r = token_create(db, "local-admin", NULL, "admin", NULL,
			 clock_wall() + LIFE, ret, id, e);
	snprintf(note, sizeof(note), NOTE "%.16s", id);
	if (r == 0)
		r = db_run(db, e,
			   "INSERT INTO meta (name, value) VALUES (?, ?)", "ss",
			   note, id);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_commit(db, e);
}

int local_token_find_pending(struct db *db, char ret_id[17], struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT value FROM meta WHERE name >= ?1 AND"
			 " name < ?1 || 'g' LIMIT 1",
			 "s", NOTE);

	if (r > 0)
		snprintf(ret_id, 17, "%s", db_text(row, 0));
	return r;
}

int local_token_remove_pending(struct db *db, const char *id, struct err *e)
{
	return db_run(db, e, "DELETE FROM meta WHERE name = ?1 || ?2", "ss",
		      NOTE, id);
}
