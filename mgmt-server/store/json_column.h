/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of the database that hold JSON. */
#ifndef MGMT_SERVER_STORE_JSON_COLUMN_H
#define MGMT_SERVER_STORE_JSON_COLUMN_H

#include "lib/json.h"

struct db_row;
struct err;

/* The caller owns *ret; null for NULL. -EBADMSG: the column holds something
 * else, which is never shown as null. */
int json_column_read(struct db_row *row, int column, json_t **ret,
		     struct err *e);

#endif
