/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/server.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/store/blob.h"
#include "mgmt-server/store/root.h"

#include <errno.h>
#include <string.h>

int server_reload_root(struct server *s, struct err *e)
{
	struct doc *root = NULL;
	int r = root_load(s->db, &root, e);

	if (r < 0)
		return r;
	doc_free(s->root);
	s->root = root;
	return 0;
}

int server_refresh_state(struct server *s, struct err *e)
{
	int r = s->stale ? audit_log_load_tree(s->db, &s->tree, e) : 0;

	if (r == 0 && s->stale)
		r = server_reload_root(s, e);
	if (r == 0)
		s->stale = false;
	return r;
}

int server_begin_write(struct server *s, struct err *e)
{
	int r;

	r = db_check_transaction(s->db, e);
	if (r == 0)
		r = server_refresh_state(s, e);
	if (r < 0 || s->writing)
		return r;
	r = db_begin(s->db, e);
	if (r == 0)
		s->writing = true;
	return r;
}

void server_set_storage_full(struct server *s, const struct err *why)
{
	if (!s->metrics.full)
		log_warning("%s: only reads are served until there is room",
			    why->text);
	s->metrics.full = 1;
}

static void clear_storage_full(struct server *s)
{
	if (s->metrics.full)
		log_info("there is room on the disk: writes are taken again");
	s->metrics.full = 0;
}

int server_try_write(struct server *s, struct err *e)
{
	int r = server_begin_write(s, e);

	return r < 0 ? r
		     : db_run(s->db, e,
			      "INSERT INTO meta (name, value) VALUES"
			      " ('ready', '') ON CONFLICT (name) DO UPDATE"
			      " SET value = ''",
			      "");
}

static void emit_turn_events(struct server *s)
{
	json_t *event;
	size_t i;

	json_array_foreach (s->events, i, event)
		s->edge.event(s->edge.ctx,
			      json_string_value(json_array_get(event, 0)),
			      json_string_value(json_array_get(event, 1)));
}

int server_commit_turn(struct server *s, struct err *e)
{
	int r = blob_sync(s->blobs, e);

	if (s->writing && r < 0)
		db_rollback(s->db);
	else if (s->writing)
		r = db_commit(s->db, e);
	if (r < 0) {
		s->metrics.commits_failed++;
		if (e->reason == REASON_STORAGE_FULL)
			server_set_storage_full(s, e);
		s->taken_back(s, NULL);
	}
	if (r == 0 && s->writing)
		clear_storage_full(s);
	if (r == 0 && s->edge.event)
		emit_turn_events(s);
	json_array_clear(s->events);
	s->metrics.commits += s->writing && r == 0;
	s->writing = false;
	s->turn++;
	return r;
}

int server_begin_savepoint(struct server *s, struct server_savepoint *ret,
			   struct err *e)
{
	int r = server_begin_write(s, e);

	if (r < 0)
		return r;
	ret->tree = s->tree;
	ret->events = json_array_size(s->events);
	ret->messages = s->messages;
	return db_exec(s->db, "SAVEPOINT piece", e);
}

int server_release_savepoint(struct server *s, struct err *e)
{
	return db_exec(s->db, "RELEASE piece", e);
}

void server_rollback_savepoint(struct server *s,
			       const struct server_savepoint *m)
{
	struct err e;

	if (db_check_transaction(s->db, &e) == 0 &&
	    (db_exec(s->db, "ROLLBACK TO piece", &e) < 0 ||
	     db_exec(s->db, "RELEASE piece", &e) < 0))
		log_error("undo: %s", e.text);
	s->tree = m->tree;
	for (size_t n = json_array_size(s->events); n > m->events; n--)
		json_array_remove(s->events, n - 1);
	s->taken_back(s, m);
}

int server_append_audit(struct server *s, const struct audit_log_entry *entry,
			uint64_t *ret_index, struct err *e)
{
	int r = server_begin_write(s, e);

	return r < 0 ? r
		     : audit_log_append(s->db, &s->tree, entry, ret_index, e);
}

void server_queue_event(struct server *s, const char *type, const char *group,
			json_t *j)
{
	auto_free char *text = NULL;

	if (j && s->edge.event &&
	    json_object_set_new(j, "type", json_string(type)) == 0)
		text = json_text(j);
	if (text)
		json_array_append_new(s->events,
				      json_pack("[s?, s]", group, text));
	json_decref(j);
}
