/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unitserver.h"

#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/mgmtd.h"
#include "mgmt-server/server.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/schema.h"
#include "tests/unit/unit.h"

struct server *unit_server(void)
{
	static const char *const hosts[] = { "localhost", NULL };
	const char *dir = unit_folder();
	struct server *s = NULL;
	struct db *db = NULL;
	struct err e;

	ck_assert_msg(pki_create(dir, "acme", hosts, &e) == 0, "%s", e.text);
	ck_assert_msg(schema_create_database(dir, "acme", &db, &e) == 0, "%s",
		      e.text);
	db_close(db);
	ck_assert_msg(mgmtd_open(dir, NULL, &s, &e) == 0, "%s", e.text);
	return s;
}

void unit_lose_turn(struct server *s)
{
	struct err e;

	ck_assert_int_eq(turn_begin_write(&s->turn, &e), 0);
	ck_assert_int_eq(db_begin(s->db, &e), 0);
	db_rollback(s->db);
	ck_assert_int_lt(turn_commit(&s->turn, &e), 0);
}
