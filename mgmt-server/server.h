/* SPDX-License-Identifier: Apache-2.0 */
/* All parts of the server. Known to mgmtd.c, which joins them; each part is
 * given what it needs of the others. */
#ifndef MGMT_SERVER_SERVER_H
#define MGMT_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/document/doc.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/callbacks.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/password_pool.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device_messages.h"
#include "mgmt-server/store/root.h"

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
	struct server_callbacks callbacks;
	char *dir;
	char org[DOC_ID_SIZE];
	struct db *db;
	struct pki *pki;
	struct blobs *blobs;
	struct root_in_force root;
	struct snapshot_cache *snapshots;
	struct connections *connections; /* connected devices */
	struct alarms *alarms;		 /* that wait to be stored */
	struct reminder *reminder;	 /* of what ends soon */
	struct turn turn;
	struct ratelimit limit;
	struct password_pool passwords;
	struct metrics metrics;
	int64_t is_room_checked; /* when room was last looked for */
	struct device_messages devices;
	struct request_context requests;
};

#endif
