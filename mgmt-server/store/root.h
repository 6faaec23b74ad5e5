/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of roots: who may sign what, from version 1 to the one in force. */
#ifndef MGMT_SERVER_STORE_ROOT_H
#define MGMT_SERVER_STORE_ROOT_H

#include <stdint.h>

#include "lib/json.h"

struct db;
struct doc;
struct err;

/* The root in force, which the caller frees; NULL: there is none yet. */
int root_load(struct db *db, struct doc **ret, struct err *e);
/* The envelopes of version after + 1 and later, as objects. */
int root_list_envelopes_after(struct db *db, int64_t after, json_t **ret,
			      struct err *e);
/* The root version in a device's status; 0: it names none. */
int64_t root_get_reported_version(json_t *status);

#endif
