/* SPDX-License-Identifier: Apache-2.0 */
/* What the whole server shares. */
#ifndef MGMT_SERVER_CORE_SERVER_H
#define MGMT_SERVER_CORE_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"
#include "mgmt-server/core/callbacks.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/password_pool.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"

struct alarms;
struct blobs;
struct snapshot_cache;
struct db;
struct err;
struct pki;
struct connections;
struct reminder;

struct server {
	struct settings conf;
	struct server_callbacks edge;
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
	struct turn turn;
	struct ratelimit limit;
	struct password_pool passwords;
	struct metrics metrics;
	int64_t is_room_checked; /* when room was last looked for */
	uint64_t tokens_changed; /* counts tokens that were taken away */
};

/* Another root is in force: it is read from the database. */
int server_reload_root(struct server *s, struct err *e);

static inline const struct doc_root *server_get_root(const struct server *s)
{
	return s->root ? doc_as_root(s->root) : NULL;
}

#endif
