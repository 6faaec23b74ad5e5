/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/turn.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/core/callbacks.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/store/blob.h"

#include <errno.h>
#include <string.h>

int turn_refresh_state(struct turn *t, struct err *e)
{
	int r = t->stale ? audit_log_load_tree(t->db, &t->tree, e) : 0;

	if (r == 0 && t->stale)
		r = t->reload(t->ctx, e);
	if (r == 0)
		t->stale = false;
	return r;
}

int turn_begin_write(struct turn *t, struct err *e)
{
	int r;

	r = db_check_transaction(t->db, e);
	if (r == 0)
		r = turn_refresh_state(t, e);
	if (r < 0 || t->writing)
		return r;
	r = db_begin(t->db, e);
	if (r == 0)
		t->writing = true;
	return r;
}

void turn_set_storage_full(struct turn *t, const struct err *why)
{
	if (!t->metrics->full)
		log_warning("%s: only reads are served until there is room",
			    why->text);
	t->metrics->full = 1;
}

static void clear_storage_full(struct turn *t)
{
	if (t->metrics->full)
		log_info("there is room on the disk: writes are taken again");
	t->metrics->full = 0;
}

int turn_try_write(struct turn *t, struct err *e)
{
	int r = turn_begin_write(t, e);

	return r < 0 ? r
		     : db_run(t->db, e,
			      "INSERT INTO meta (name, value) VALUES"
			      " ('ready', '') ON CONFLICT (name) DO UPDATE"
			      " SET value = ''",
			      "");
}

static void emit_turn_events(struct turn *t)
{
	json_t *event;
	size_t i;

	json_array_foreach (t->events, i, event)
		t->edge->event(t->edge->ctx,
			       json_string_value(json_array_get(event, 0)),
			       json_string_value(json_array_get(event, 1)));
}

int turn_commit(struct turn *t, struct err *e)
{
	int r = blob_sync(t->blobs, e);

	if (t->writing && r < 0)
		db_rollback(t->db);
	else if (t->writing)
		r = db_commit(t->db, e);
	if (r < 0) {
		t->metrics->commits_failed++;
		if (e->reason == REASON_STORAGE_FULL)
			turn_set_storage_full(t, e);
		t->undo(t->ctx, NULL);
	}
	if (r == 0 && t->writing)
		clear_storage_full(t);
	if (r == 0 && t->edge->event)
		emit_turn_events(t);
	json_array_clear(t->events);
	t->metrics->commits += t->writing && r == 0;
	t->writing = false;
	t->number++;
	return r;
}

int turn_begin_savepoint(struct turn *t, struct turn_savepoint *ret,
			 struct err *e)
{
	int r = turn_begin_write(t, e);

	if (r < 0)
		return r;
	ret->tree = t->tree;
	ret->events = json_array_size(t->events);
	ret->messages = t->messages;
	return db_exec(t->db, "SAVEPOINT piece", e);
}

int turn_release_savepoint(struct turn *t, struct err *e)
{
	return db_exec(t->db, "RELEASE piece", e);
}

void turn_rollback_savepoint(struct turn *t, const struct turn_savepoint *m)
{
	struct err e;

	if (db_check_transaction(t->db, &e) == 0 &&
	    (db_exec(t->db, "ROLLBACK TO piece", &e) < 0 ||
	     db_exec(t->db, "RELEASE piece", &e) < 0))
		log_error("undo: %s", e.text);
	t->tree = m->tree;
	for (size_t n = json_array_size(t->events); n > m->events; n--)
		json_array_remove(t->events, n - 1);
	t->undo(t->ctx, m);
}

int turn_append_audit(struct turn *t, const struct audit_log_entry *entry,
		      uint64_t *ret_index, struct err *e)
{
	int r = turn_begin_write(t, e);

	return r < 0 ? r
		     : audit_log_append(t->db, &t->tree, entry, ret_index, e);
}

void turn_queue_event(struct turn *t, const char *type, const char *group,
		      json_t *j)
{
	auto_free char *text = NULL;

	if (j && t->edge->event &&
	    json_object_set_new(j, "type", json_string(type)) == 0)
		text = json_text(j);
	if (text)
		json_array_append_new(t->events,
				      json_pack("[s?, s]", group, text));
	json_decref(j);
}
