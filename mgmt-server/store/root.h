/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of roots: who may sign what, from version 1 to the one in force. */
#ifndef MGMT_SERVER_STORE_ROOT_H
#define MGMT_SERVER_STORE_ROOT_H

#include <stdint.h>

#include "lib/json.h"

struct err;
struct request;
struct server;

/* Sets server->root to the root in force, or NULL. */
int root_load(struct server *s, struct err *e);
/* The envelopes of version after + 1 and later, as objects. */
int root_list_envelopes_after(struct server *s, int64_t after, json_t **ret,
			      struct err *e);
/* The root version in a device's status; 0: it names none. */
int64_t root_get_reported_version(json_t *status);
/* The root of that version (0: in force) as a document, or JSON null. */
int root_build_json(struct request *rq, int64_t version, json_t **ret,
		    struct err *e);

#endif
