/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/founding.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/key.h"
#include "lib/opt.h"
#include "lib/text.h"
#include "mgmt-server/bearer.h"
#include "mgmt-server/ledger.h"
#include "mgmt-server/pki.h"
#include "mgmt-server/registry.h"
#include "mgmt-server/server.h"

#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <string.h>

#define USER "cells-mgmt"
#define FIRST_TOKEN_LIFE (365 * INT64_C(86400))
#define OPEN_FDS 8

/* What root made must be the daemon's: it runs as nobody else. */
static int chown_entry(const char *path, const struct stat *st, int flag,
		       struct FTW *ftw)
{
	const struct passwd *pw = getpwnam(USER);

	return pw ? lchown(path, pw->pw_uid, pw->pw_gid) : 0;
}

static int give_away(const char *dir, struct err *e)
{
	if (geteuid() != 0 || !getpwnam(USER))
		return 0;
	if (nftw(dir, chown_entry, OPEN_FDS, FTW_PHYS) != 0)
		return err_sys(e, errno, "give %s to user " USER, dir);
	return 0;
}

static int first_token(struct db *db, char ret[65], struct err *e)
{
	struct server s = { .db = db };
	struct ledger_entry en = { .who = "init",
				   .from = "local",
				   .action = "init" };
	char id[17];
	int r = db_begin(db, e);

	if (r < 0)
		return r;
	r = bearer_make(&s, "first-admin", NULL, "admin", NULL,
			clock_wall() + FIRST_TOKEN_LIFE, ret, id, e);
	en.object = id;
	if (r == 0)
		r = ledger_append(db, &s.tree, &en, NULL, e);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_commit(db, e);
}

/* The server is always reachable from its own machine. */
static const char *const local[] = { "localhost", "127.0.0.1", "::1" };

int founding_init(const char *dir, const char *org,
		  const struct opt_list *hosts, struct err *e)
{
	const char *names[OPT_LIST_MAX + ARRAY_SIZE(local) + 1] = { NULL };
	unsigned int n = 0;
	AUTO(db_closep) struct db *db = NULL;
	char token[65];
	int r;

	for (; n < hosts->n; n++)
		names[n] = hosts->item[n];
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		names[n++] = local[i];
	if (!text_is_id(org))
		return err_set(e, EINVAL, "organisation '%s' is no id", org);
	r = io_mkdirs(dir, 0700, e);
	if (r < 0)
		return r;
	/* The database last: a half-made folder can be made again. */
	r = pki_create(dir, org, names, e);
	if (r == 0)
		r = registry_create(dir, org, &db, e);
	if (r == 0)
		r = first_token(db, token, e);
	if (r < 0)
		return r;
	db_close(steal(db));
	r = give_away(dir, e);
	if (r == 0)
		printf("%s\n", token);
	return r;
}

int founding_new_director(const char *dir, struct err *e)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *path = io_join(dir, "director.key");
	auto_free char *old = io_join(dir, "director.key.old");
	int r;

	if (!path || !old)
		return err_oom(e, "make a director key");
	if (rename(path, old) < 0)
		return err_sys(e, errno, "keep the old %s", path);
	r = key_open_file(path, true, &k, e);
	if (r == 0)
		r = give_away(dir, e);
	if (r == 0)
		printf("%s\n", key_id(k));
	return r;
}
