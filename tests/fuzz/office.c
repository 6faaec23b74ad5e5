/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/office.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/mgmtd.h"
#include "mgmt-server/server.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/schema.h"

#include <ftw.h>
#include <string.h>

static struct server *the_server;
static char folder[] = "/tmp/cells-fuzz.XXXXXX";

static int remove_entry(const char *path, const struct stat *st, int flag,
			struct FTW *ftw)
{
	return remove(path);
}

static void clean_up(void)
{
	mgmtd_free(the_server);
	nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void must(int r, const struct err *e)
{
	if (r < 0) {
		log_error("%s", e->text);
		abort();
	}
}

static void enrol(struct server *s)
{
	AUTO(key_freep) struct key *k = NULL;
	const void *spki;
	struct err e;
	size_t len;

	must(key_generate(&k, &e), &e);
	spki = key_spki(k, &len);
	must(db_exec(s->db,
		     "INSERT INTO device (id, name, grp, state, epoch,"
		     " enrolled) VALUES ('" OFFICE_DEVICE "', 'x', 'field',"
		     " 'active', '" OFFICE_EPOCH "', 1)",
		     &e),
	     &e);
	must(db_run(s->db, &e,
		    "INSERT INTO epoch (device, epoch, enrolment,"
		    " identity_spki, receipt_spki, identity_cert, receipt_cert,"
		    " bind, enrolled) VALUES (?, ?, '', ?, ?, '', '', '', 1)",
		    "ssbb", OFFICE_DEVICE, OFFICE_EPOCH, spki, len, spki, len),
	     &e);
}

struct server *office_server(void)
{
	static const char *const hosts[] = { "localhost", NULL };
	struct db *db = NULL;
	struct err e;

	if (the_server)
		return the_server;
	if (!mkdtemp(folder))
		abort();
	must(pki_create(folder, "acme", hosts, &e), &e);
	must(schema_create_database(folder, "acme", &db, &e), &e);
	db_close(db);
	must(mgmtd_open(folder, NULL, &the_server, &e), &e);
	enrol(the_server);
	atexit(clean_up);
	the_server->conf.address_rate = the_server->conf.token_rate = 1000000;
	the_server->conf.login_rate = 1;
	return the_server;
}
