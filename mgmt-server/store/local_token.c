/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/local_token.h"

#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/core/server.h"
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

static int audit_created_token(struct server *s, const char *id, struct err *e)
{
	struct audit_log_entry en = { .who = "new-token",
				      .from = "local",
				      .action = "token-create",
				      .object = id };
	int r = server_append_audit(s, &en, NULL, e);

	if (r == 0)
		r = db_run(s->db, e, "DELETE FROM meta WHERE name = ?1 || ?2",
			   "ss", NOTE, id);
	if (r == 0)
		log_warning("token %s of role admin was made on this machine",
			    id);
	return r;
}

int local_token_audit_pending(struct server *s, struct err *e)
{
	char id[17] = "";
	sqlite3_stmt *st = NULL;
	struct server_savepoint mark;
	int r = db_first(s->db, &st, e,
			 "SELECT value FROM meta WHERE name >= ?1 AND"
			 " name < ?1 || 'g' LIMIT 1",
			 "s", NOTE);

	if (r > 0)
		snprintf(id, sizeof(id), "%s", db_text(st, 0));
	db_done(&st);
	if (r <= 0)
		return r;
	r = server_begin_savepoint(s, &mark, e);
	if (r < 0)
		return r;
	r = audit_created_token(s, id, e);
	if (r < 0) {
		server_rollback_savepoint(s, &mark);
		return r;
	}
	return server_release_savepoint(s, e);
}
