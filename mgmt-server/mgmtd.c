/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/mgmtd.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/core/alarm.h"
#include "mgmt-server/fleet/command.h"
#include "mgmt-server/fleet/device_messages.h"
#include "mgmt-server/fleet/reminder.h"
#include "mgmt-server/fleet/snapshot.h"
#include "mgmt-server/listener/listener.h"
#include "mgmt-server/listener/listener_service.h"
#include "mgmt-server/server.h"
#include "mgmt-server/store/blob.h"
#include "mgmt-server/store/disk_reserve.h"
#include "mgmt-server/store/local_token.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/schema.h"

#include <string.h>

#define TRY_SECONDS 10

void mgmtd_free(struct server *s)
{
	if (!s)
		return;
	connections_free(s->connections);
	reminder_free(s->reminder);
	alarm_free(s->alarms);
	snapshot_cache_free(s->snapshots);
	root_fini(&s->root);
	blob_free(s->blobs);
	pki_free(s->pki);
	db_close(s->db);
	settings_fini(&s->conf);
	json_decref(s->turn.events);
	free(s->dir);
	free(s);
}

static int open_server_parts(struct server *s, struct err *e)
{
	int r = schema_open_database(s->dir, &s->db, e);

	s->turn.db = s->db;
	if (r == 0)
		r = schema_get_org(s->db, s->org, e);
	if (r == 0)
		r = pki_open(s->dir, &s->pki, e);
	if (r == 0)
		r = blob_open(s->dir, &s->blobs, e);
	s->turn.blobs = s->blobs;
	if (r == 0)
		r = connections_new(&s->turn, &s->connections, e);
	if (r == 0)
		r = snapshot_cache_new(&s->turn, s->pki, s->org, s->connections,
				       &s->snapshots, e);
	if (r == 0)
		r = reminder_new(&s->turn, s->pki, &s->root, s->org,
				 &s->reminder, e);
	if (r == 0)
		r = alarm_new(&s->turn, &s->limit, &s->alarms, e);
	if (r == 0)
		r = turn_refresh_state(&s->turn, e);
	/* The loop has others to serve than who waits for the lock. */
	if (r == 0)
		db_never_wait(s->db);
	return r;
}

/* Each part gets what it needs of the others, and no more. */
static void join_server_parts(struct server *s)
{
	s->devices = (struct device_messages){
		.turn = &s->turn,
		.root = &s->root,
		.connections = s->connections,
		.snapshots = s->snapshots,
		.alarms = s->alarms,
	};
	s->requests = (struct request_context){
		.turn = &s->turn,
		.org = s->org,
		.pki = s->pki,
		.root = &s->root,
		.connections = s->connections,
		.snapshots = s->snapshots,
		.passwords = &s->passwords,
		.limit = &s->limit,
		.conf = &s->conf,
	};
}

static int reload_root(void *ctx, struct err *e)
{
	struct server *s = ctx;

	return root_reload(s->db, &s->root, e);
}

/* What memory holds is read again from what is left on disk. */
static void reload_after_rollback(void *ctx, const struct turn_savepoint *m)
{
	struct server *s = ctx;
	struct err e;

	snapshot_cache_clear(s->snapshots);
	if (!m) {
		alarm_requeue_turn(s->alarms);
		/* What was acknowledged in it must not be believed. */
		connections_abort_turn(s->connections, s->turn.number);
		snapshot_schedule_recheck(s->snapshots);
	} else if (s->turn.messages > m->messages) {
		connections_drop_queued(s->connections, m->messages);
	}
	s->turn.stale = true;
	if (turn_refresh_state(&s->turn, &e) < 0)
		log_error("read the state again: %s", e.text);
}

int mgmtd_open(const char *dir, struct settings *conf, struct server **ret,
	       struct err *e)
{
	AUTO(mgmtd_freep) struct server *s = calloc(1, sizeof(*s));
	struct err no_room = { 0 };
	int r;

	if (!s && conf)
		settings_fini(conf);
	if (!s)
		return err_oom(e, "start");
	if (conf)
		s->conf = *conf;
	s->turn.number = 1;
	s->turn.stale = true;
	s->turn.metrics = &s->metrics;
	s->turn.edge = &s->callbacks;
	s->turn.ctx = s;
	s->turn.reload = reload_root;
	s->turn.undo = reload_after_rollback;
	ratelimit_init(&s->limit);
	s->dir = strdup(dir);
	s->turn.events = json_array();
	if (!s->dir || !s->turn.events)
		return err_oom(e, "start");
	r = open_server_parts(s, e);
	if (r < 0)
		return r;
	join_server_parts(s);
	/* On a full disk it starts, and says so. */
	if (turn_try_write(&s->turn, &no_room) == 0)
		turn_commit(&s->turn, &no_room);
	else if (no_room.reason == REASON_STORAGE_FULL)
		turn_set_storage_full(&s->turn, &no_room);
	*ret = steal(s);
	return 0;
}

/* Is there room again? Else the disk is left alone. */
static int check_disk_room(struct server *s, struct err *e)
{
	int64_t now = clock_wall();
	int r;

	if (now >= s->is_room_checked && now - s->is_room_checked < TRY_SECONDS)
		return 0;
	s->is_room_checked = now;
	r = s->metrics.full ? turn_try_write(&s->turn, e)
			    : disk_reserve_fill(s->dir, e);
	if (r < 0 && e->reason != REASON_STORAGE_FULL)
		return r;
	return 0;
}

static int audit_local_token(struct server *s, const char *id, struct err *e)
{
	struct audit_log_entry en = { .who = "new-token",
				      .from = "local",
				      .action = "token-create",
				      .object = id };
	int r = turn_append_audit(&s->turn, &en, NULL, e);

	if (r == 0)
		r = local_token_remove_pending(s->db, id, e);
	if (r == 0)
		log_warning("token %s of role admin was made on this machine",
			    id);
	return r;
}

/* One a tick. */
static int audit_local_tokens(struct server *s, struct err *e)
{
	struct turn_savepoint mark;
	char id[17] = "";
	int r = local_token_find_pending(s->db, id, e);

	if (r <= 0)
		return r;
	r = turn_begin_savepoint(&s->turn, &mark, e);
	if (r < 0)
		return r;
	r = audit_local_token(s, id, e);
	if (r < 0) {
		turn_rollback_savepoint(&s->turn, &mark);
		return r;
	}
	return turn_release_savepoint(&s->turn, e);
}

int mgmtd_tick(struct server *s, struct err *e)
{
	int r = check_disk_room(s, e);

	if (r == 0)
		r = command_expire_due(&s->turn, s->connections, e);

	if (r == 0)
		r = snapshot_recheck_images(s->snapshots, e);
	if (r == 0)
		r = audit_local_tokens(s, e);
	if (r == 0)
		r = reminder_check_expiry(s->reminder, e);
	alarm_write_pending(s->alarms);
	connections_mark_due_snapshots(s->connections);
	return r;
}

static int on_tick(void *ctx, struct err *e)
{
	return mgmtd_tick(ctx, e);
}

static bool run_pending_work(void *ctx)
{
	struct server *s = ctx;

	return connections_refresh_stale(s->connections,
					 device_messages_send_snapshot);
}

int mgmtd_run(struct server *s, const char *run_file, bool debug, struct err *e)
{
	const struct listener_service service = {
		.conf = &s->conf,
		.turn = &s->turn,
		.pki = s->pki,
		.alarms = s->alarms,
		.limit = &s->limit,
		.passwords = &s->passwords,
		.requests = &s->requests,
		.devices = &s->devices,
		.callbacks = &s->callbacks,
		.ctx = s,
		.tick = on_tick,
		.run_work = run_pending_work,
	};

	return listener_run(&service, run_file, debug, e);
}
