/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/server.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"
#include "mgmt-server/anchor.h"
#include "mgmt-server/blob.h"
#include "mgmt-server/compose.h"
#include "mgmt-server/order.h"
#include "mgmt-server/pki.h"
#include "mgmt-server/presence.h"
#include "mgmt-server/registry.h"

#include <errno.h>
#include <string.h>

void server_free(struct server *s)
{
	if (!s)
		return;
	presence_free(s->presence);
	compose_free(s->compose);
	doc_free(s->root);
	blob_free(s->blobs);
	pki_free(s->pki);
	db_close(s->db);
	settings_fini(&s->conf);
	free(s->dir);
	free(s);
}

static int load(struct server *s, struct err *e)
{
	int r = registry_open(s->dir, &s->db, e);

	if (r == 0)
		r = registry_org(s->db, s->org, e);
	if (r == 0)
		r = presence_new(s, &s->presence, e);
	if (r == 0)
		r = compose_new(s, &s->compose, e);
	if (r == 0)
		r = pki_open(s->dir, &s->pki, e);
	if (r == 0)
		r = blob_open(s->dir, &s->blobs, e);
	if (r == 0)
		r = ledger_load(s->db, &s->tree, e);
	return r < 0 ? r : anchor_load(s, e);
}

int server_open(const char *dir, struct server **ret, struct err *e)
{
	AUTO(server_freep) struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_oom(e, "start");
	s->turn = 1;
	limit_init(&s->limit);
	s->dir = strdup(dir);
	if (!s->dir)
		return err_oom(e, "start");
	r = load(s, e);
	if (r < 0)
		return r;
	*ret = steal(s);
	return 0;
}

/* A full disk ends a transaction by itself; nothing more goes into that turn.
 */
static bool is_broken(const struct server *s)
{
	return s->writing && sqlite3_get_autocommit(db_handle(s->db));
}

int server_write(struct server *s, struct err *e)
{
	int r;

	if (is_broken(s))
		return err_reason(e, REASON_STORAGE_FULL,
				  "the turn's transaction has failed");
	if (s->writing)
		return 0;
	r = db_begin(s->db, e);
	if (r == 0)
		s->writing = true;
	return r;
}

/* What stands in memory is read again from what is left on disk. */
static void reload(struct server *s)
{
	struct err e;

	s->gauge.commits_failed++;
	compose_forget(s->compose);
	if (ledger_load(s->db, &s->tree, &e) < 0 || anchor_load(s, &e) < 0)
		log_error("read the state again: %s", e.text);
}

int server_commit(struct server *s, struct err *e)
{
	int r = blob_sync(s->blobs, e);

	if (s->writing && r < 0)
		db_rollback(s->db);
	else if (s->writing)
		r = db_commit(s->db, e);
	if (r < 0) {
		/* What was acknowledged in this turn must not be believed. */
		presence_cut(s->presence, s->turn);
		reload(s);
	}
	s->gauge.commits += s->writing && r == 0;
	s->writing = false;
	s->turn++;
	return r;
}

int server_mark(struct server *s, struct server_mark *ret, struct err *e)
{
	int r = server_write(s, e);

	if (r < 0)
		return r;
	ret->tree = s->tree;
	return db_exec(s->db, "SAVEPOINT piece", e);
}

int server_keep(struct server *s, struct err *e)
{
	return db_exec(s->db, "RELEASE piece", e);
}

void server_undo(struct server *s, const struct server_mark *m)
{
	struct err e;

	if (!is_broken(s) && (db_exec(s->db, "ROLLBACK TO piece", &e) < 0 ||
			      db_exec(s->db, "RELEASE piece", &e) < 0))
		log_error("undo: %s", e.text);
	s->tree = m->tree;
	/* Caches may have seen what was undone. */
	compose_forget(s->compose);
	if (anchor_load(s, &e) < 0)
		log_error("read the root again: %s", e.text);
}

int server_audit(struct server *s, const struct ledger_entry *entry,
		 uint64_t *ret_index, struct err *e)
{
	int r = server_write(s, e);

	return r < 0 ? r : ledger_append(s->db, &s->tree, entry, ret_index, e);
}

int server_tick(struct server *s, struct err *e)
{
	int r = order_tick(s, e);

	presence_tick(s->presence);
	return r;
}

bool server_work(struct server *s)
{
	return presence_work(s->presence);
}

void server_event(struct server *s, const char *type, const char *group,
		  json_t *j)
{
	auto_free char *text = NULL;

	if (j && s->edge.event &&
	    json_object_set_new(j, "type", json_string(type)) == 0)
		text = json_text(j);
	if (text)
		s->edge.event(s->edge.ctx, group, text);
	json_decref(j);
}
