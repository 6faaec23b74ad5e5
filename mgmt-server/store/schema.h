/* SPDX-License-Identifier: Apache-2.0 */
/* The server's database file: schema/sql, and what was set once by init. */
#ifndef MGMT_SERVER_STORE_SCHEMA_H
#define MGMT_SERVER_STORE_SCHEMA_H

#include "lib/document/doc.h"

struct db;
struct err;

int schema_open_database(const char *dir, struct db **ret, struct err *e);
/* Makes it, for an organisation. -EEXIST: it is there. */
int schema_create_database(const char *dir, const char *org, struct db **ret,
			   struct err *e);
int schema_get_org(struct db *db, char ret[DOC_ID_SIZE], struct err *e);

#endif
