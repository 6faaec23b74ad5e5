/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a turn of the loop writes: one transaction, with its audit and events,
 * which turn_commit() ends. Nothing that was written is answered before that
 * (answers carry their turn's number).
 */
#ifndef MGMT_SERVER_CORE_TURN_H
#define MGMT_SERVER_CORE_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/crypto/merkle.h"
#include "lib/json.h"
#include "mgmt-server/store/audit_log.h"

struct blobs;
struct db;
struct err;
struct metrics;
struct server_callbacks;
struct turn_savepoint;

/* All that it points to is the server's. */
struct turn {
	struct db *db;
	struct blobs *blobs;
	struct metrics *metrics;
	const struct server_callbacks *edge;
	struct merkle tree;
	json_t *events;		   /* this turn's, sent when it is committed */
	uint64_t number;	   /* grows with each commit */
	uint64_t messages;	   /* counts those queued for devices */
	uint64_t commands_changed; /* counts changes, for those who wait */
	uint64_t tokens_changed;   /* counts tokens that were taken away */
	bool writing;		   /* a transaction is open */
	bool stale;		   /* tree and root are not those on disk */
	/* Set by mgmtd.c, which knows all parts: */
	void *ctx;
	/* The root in force is read again. */
	int (*reload)(void *ctx, struct err *e);
	/* What was written is undone, since the savepoint or (NULL) the whole
	 * turn: memory must follow. */
	void (*undo)(void *ctx, const struct turn_savepoint *m);
};

/* Reads tree and root if they are stale; while that fails nothing may be
 * written after them or signed over them. */
int turn_refresh_state(struct turn *t, struct err *e);
/* Begins this turn's transaction unless it is under way. */
int turn_begin_write(struct turn *t, struct err *e);
/* A write found no room on the disk: said once, until one does again, which is
 * tried every ten seconds. */
void turn_set_storage_full(struct turn *t, const struct err *why);
/* Tries a small write, which turn_commit() ends. */
int turn_try_write(struct turn *t, struct err *e);
/* Ends the turn. On failure nothing of it happened. */
int turn_commit(struct turn *t, struct err *e);

/*
 * One piece of work inside the turn: all of it or none of it. Savepoints
 * do not nest.
 */
struct turn_savepoint {
	struct merkle tree;
	size_t events;
	uint64_t messages;
};
int turn_begin_savepoint(struct turn *t, struct turn_savepoint *ret,
			 struct err *e);
int turn_release_savepoint(struct turn *t, struct err *e);
void turn_rollback_savepoint(struct turn *t, const struct turn_savepoint *m);

/* Appends to the audit tree in this turn's transaction. */
int turn_append_audit(struct turn *t, const struct audit_log_entry *entry,
		      uint64_t *ret_index, struct err *e);

/* Sends subscribers {"type":type,...members of j} when the turn is committed;
 * consumes j. */
void turn_queue_event(struct turn *t, const char *type, const char *group,
		      json_t *j);

#endif
