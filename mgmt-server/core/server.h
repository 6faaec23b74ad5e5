/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the whole server shares. Everything that a turn of the loop writes goes
 * into one transaction, which server_commit_turn() ends; nothing that was
 * written is answered before that (answers carry their turn's number).
 */
#ifndef MGMT_SERVER_CORE_SERVER_H
#define MGMT_SERVER_CORE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/crypto/merkle.h"
#include "lib/document/doc.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/password_pool.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/store/audit_log.h"

struct alarms;
struct blobs;
struct snapshot_cache;
struct db;
struct err;
struct pki;
struct connections;
struct reminder;
struct server_savepoint;

/* What the listener's loop does for the rest of the server; may be NULL in
 * tests. */
struct server_callbacks {
	void *ctx;
	/* The device channel has something to send, or must be closed. */
	void (*device_ready)(void *ctx, void *connection, bool close);
	/* Another connection has taken its place: it is ended, and if it is
	 * alive, device_messages_report_duplicate() is called before. */
	void (*device_replaced)(void *ctx, void *connection);
	/* To all that listen to /v1/events and may see the group. */
	void (*event)(void *ctx, const char *group, const char *text);
	/* Work is waiting: its hook is to be called soon. */
	void (*work)(void *ctx);
};

struct server {
	struct settings conf;
	struct server_callbacks edge;
	/* What was written is undone, since the savepoint or (NULL) the whole
	 * turn: memory must follow. Set by mgmtd.c, which knows all parts. */
	void (*taken_back)(struct server *s, const struct server_savepoint *m);
	char *dir;
	char org[DOC_ID_SIZE];
	uint16_t device_port; /* as bound */
	struct db *db;
	struct pki *pki;
	struct blobs *blobs;
	struct doc *root; /* in force; NULL: none yet */
	struct snapshot_cache *snapshots;
	struct connections *presence; /* connected devices */
	struct alarms *alarms;	      /* that wait to be stored */
	struct reminder *reminder;    /* of what ends soon */
	struct merkle tree;
	struct ratelimit limit;
	struct password_pool passwords;
	struct metrics metrics;
	int64_t tried;		  /* when room was last looked for */
	uint64_t turn;		  /* grows with each commit */
	uint64_t messages;	  /* counts those queued for devices */
	bool writing;		  /* a transaction is open */
	bool stale;		  /* tree and root are not those on disk */
	json_t *events;		  /* this turn's, sent when it is committed */
	uint64_t actions_changed; /* counts changes, for those who wait */
	uint64_t tokens_changed;  /* counts tokens that were taken away */
};

/* Reads tree and root if they are stale; while that fails nothing may be
 * written after them or signed over them. */
int server_refresh_state(struct server *s, struct err *e);
/* Another root is in force: it is read from the database. */
int server_reload_root(struct server *s, struct err *e);
/* Begins this turn's transaction unless it is under way. */
int server_begin_write(struct server *s, struct err *e);
/* A write found no room on the disk: said once, until one does again, which is
 * tried every ten seconds. */
void server_set_storage_full(struct server *s, const struct err *why);
/* Tries a small write, which server_commit_turn() ends. */
int server_try_write(struct server *s, struct err *e);
/* Ends the turn. On failure nothing of it happened. */
int server_commit_turn(struct server *s, struct err *e);

/*
 * One piece of work inside the turn: all of it or none of it. Savepoints
 * do not nest.
 */
struct server_savepoint {
	struct merkle tree;
	size_t events;
	uint64_t messages;
};
int server_begin_savepoint(struct server *s, struct server_savepoint *ret,
			   struct err *e);
int server_release_savepoint(struct server *s, struct err *e);
void server_rollback_savepoint(struct server *s,
			       const struct server_savepoint *m);

/* Appends to the audit tree in this turn's transaction. */
int server_append_audit(struct server *s, const struct audit_log_entry *entry,
			uint64_t *ret_index, struct err *e);

/* Sends subscribers {"type":type,...members of j} when the turn is committed;
 * consumes j. */
void server_queue_event(struct server *s, const char *type, const char *group,
			json_t *j);

static inline const struct doc_root *server_get_root(const struct server *s)
{
	return s->root ? doc_as_root(s->root) : NULL;
}

#endif
