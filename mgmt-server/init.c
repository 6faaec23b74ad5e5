/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/init.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/opt.h"
#include "mgmt-server/store/audit_log.h"
#include "mgmt-server/store/blob.h"
#include "mgmt-server/store/local_token.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/schema.h"
#include "mgmt-server/store/token.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USER "cells-mgmt"
#define FIRST_TOKEN_LIFE (365 * INT64_C(86400))
#define OPEN_FDS 8
#define OLD_MAX 1000

/* What root made must be the daemon's: it runs as nobody else. */
static int chown_tree_entry(const char *path, const struct stat *st, int flag,
			    struct FTW *ftw)
{
	const struct passwd *pw = getpwnam(USER);

	return pw ? lchown(path, pw->pw_uid, pw->pw_gid) : 0;
}

static int chown_to_daemon_user(const char *dir, struct err *e)
{
	if (geteuid() != 0 || !getpwnam(USER))
		return 0;
	if (nftw(dir, chown_tree_entry, OPEN_FDS, FTW_PHYS) != 0)
		return err_sys(e, errno, "give %s to user " USER, dir);
	return 0;
}

static int create_first_token(struct db *db, char ret[65], struct err *e)
{
	struct merkle tree = { 0 };
	struct audit_log_entry en = { .who = "init",
				      .from = "local",
				      .action = "init" };
	char id[17];
	int r = db_begin(db, e);

	if (r < 0)
		return r;
	r = token_create(db, "first-admin", NULL, "admin", NULL,
			 clock_wall() + FIRST_TOKEN_LIFE, ret, id, e);
	en.object = id;
	if (r == 0)
		r = audit_log_append(db, &tree, &en, NULL, e);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	return db_commit(db, e);
}

static int create_local_token(const struct init_options *f, struct err *e)
{
	AUTO(db_closep) struct db *db = NULL;
	char token[65];
	int r = f->admin ? schema_open_database(f->dir, &db, e)
			 : err_set(e, EINVAL, "new-token needs --admin");

	if (r == 0)
		r = local_token_create(db, token, e);
	if (r < 0)
		return r;
	db_close(steal(db));
	r = chown_to_daemon_user(f->dir, e);
	if (r == 0)
		printf("%s\n", token);
	return r;
}

/* Whatever is there may be all that a fleet trusts: it is asked for before
 * anything is made. */
static int check_folder_unused(const char *dir, struct err *e)
{
	static const char *const files[] = { "mgmtd.db",   "ca.key",
					     "ca.pem",	   "director.key",
					     "server.key", "server.pem" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		auto_free char *path = io_join(dir, files[i]);

		if (!path)
			return err_oom(e, "init");
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return err_set(e, EEXIST,
				       "init: %s is there: nothing was touched."
				       " If an init was cut off, remove the"
				       " folder and try again",
				       path);
	}
	return 0;
}

/* The server is always reachable from its own machine. */
static const char *const local[] = { "localhost", "127.0.0.1", "::1" };

static int create_server_folder(const struct init_options *f, struct err *e)
{
	const char *dir = f->dir, *org = f->org;
	const struct opt_list *hosts = &f->hosts;
	const char *names[OPT_LIST_MAX + ARRAY_SIZE(local) + 1] = { NULL };
	unsigned int n = 0;
	AUTO(db_closep) struct db *db = NULL;
	char token[65];
	int r;

	for (; n < hosts->n; n++)
		names[n] = hosts->item[n];
	for (size_t i = 0; i < ARRAY_SIZE(local); i++)
		names[n++] = local[i];
	if (!org)
		return err_set(e, EINVAL, "init needs --org NAME");
	if (!encoding_is_valid_id(org))
		return err_set(e, EINVAL, "organisation '%s' is not an id",
			       org);
	r = check_folder_unused(dir, e);
	if (r == 0)
		r = io_mkdirs(dir, 0700, e);
	if (r < 0)
		return r;
	r = pki_create(dir, org, names, e);
	if (r == 0)
		r = schema_create_database(dir, org, &db, e);
	if (r == 0)
		r = create_first_token(db, token, e);
	if (r < 0)
		return r;
	db_close(steal(db));
	r = chown_to_daemon_user(dir, e);
	if (r == 0)
		printf("%s\n", token);
	return r;
}

/* Moves it to the first free of x.old, x.old.1, ...: none is overwritten. */
static int back_up_old_file(const char *path, char **ret, struct err *e)
{
	for (unsigned int i = 0; i < OLD_MAX; i++) {
		auto_free char *old = NULL;
		int n = i ? asprintf(&old, "%s.old.%u", path, i)
			  : asprintf(&old, "%s.old", path);

		if (n < 0)
			return err_oom(e, path);
		if (renameat2(AT_FDCWD, path, AT_FDCWD, old,
			      RENAME_NOREPLACE) == 0) {
			*ret = steal(old);
			return 0;
		}
		if (errno != EEXIST)
			break;
	}
	return err_sys(e, errno, "keep the old %s", path);
}

static int replace_director_key(const struct init_options *f, struct err *e)
{
	const char *dir = f->dir;
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *path = io_join(dir, "director.key");
	auto_free char *old = NULL;
	int r;

	if (!path)
		return err_oom(e, "make a director key");
	r = back_up_old_file(path, &old, e);
	if (r < 0)
		return r;
	r = key_open_file(path, true, &k, e);
	if (r < 0)
		renameat2(AT_FDCWD, old, AT_FDCWD, path, RENAME_NOREPLACE);
	if (r == 0)
		r = chown_to_daemon_user(dir, e);
	if (r == 0)
		printf("%s\n", key_id(k));
	return r;
}

static int verify_chunk_store(const struct init_options *f, struct err *e)
{
	struct blob_verify_result found;
	int r = blob_verify(f->dir, &found, e);

	if (r < 0)
		return r;
	printf("%" PRIu64 " chunks are good\n", found.good);
	return found.removed == 0
		       ? 0
		       : err_set(e, EBADMSG,
				 "%" PRIu64 " damaged chunks were thrown away: "
				 "push the images again",
				 found.removed);
}

static const struct {
	const char *verb;
	int (*run)(const struct init_options *f, struct err *e);
} verbs[] = {
	{ "init", create_server_folder },
	{ "new-director", replace_director_key },
	{ "new-token", create_local_token },
	{ "verify-store", verify_chunk_store },
};

int init_run_verb(const char *verb, const struct init_options *f, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].verb, verb) == 0)
			return verbs[i].run(f, e);
	return err_set(e, ENOSYS, "there is no '%.64s'", verb);
}
