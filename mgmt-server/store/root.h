/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of roots: who may sign what, from version 1 to the one in force. */
#ifndef MGMT_SERVER_STORE_ROOT_H
#define MGMT_SERVER_STORE_ROOT_H

#include <stdint.h>

#include "lib/json.h"

struct db;
struct doc;
struct doc_root;
struct err;

/* The root in force, as it was last read; NULL: there is none yet. */
struct root_in_force {
	struct doc *doc;
};

/* Another root is in force: it is read from the database. On failure the old
 * one stays. */
int root_reload(struct db *db, struct root_in_force *root, struct err *e);
/* Borrowed until the next root_reload(); NULL: none. */
const struct doc_root *root_get(const struct root_in_force *root);
void root_fini(struct root_in_force *root);

/* The envelopes of version after + 1 and later, as objects. */
int root_list_envelopes_after(struct db *db, int64_t after, json_t **ret,
			      struct err *e);
/* The root version in a device's status; 0: it names none. */
int64_t root_get_reported_version(json_t *status);

#endif
