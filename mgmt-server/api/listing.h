/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of rows: filter, scope by groups, order, limit and cursor, once. */
#ifndef MGMT_SERVER_API_LISTING_H
#define MGMT_SERVER_API_LISTING_H

#include <stdbool.h>

#include "lib/db.h"
#include "lib/json.h"
#include "mgmt-server/api/filter.h"

struct err;
struct request;

#define LISTING_LIMIT 100
#define LISTING_LIMIT_MAX 1000

struct listing {
	const char *sql;   /* SELECT ... FROM ..., the key as first column */
	const char *where; /* conditions of its own, or NULL */
	const char *key;   /* unique column that gives order and cursor */
	bool key_is_text, desc;
	const char *scope; /* column with the group, or NULL: not scoped */
	const struct filter_field *fields; /* NULL: no filter */
	int (*row)(struct request *rq, struct db_row *columns, json_t **ret,
		   struct err *e);
};

/* The values of `where` in order: texts, numbers or nulls. */
struct listing_value {
	const char *text; /* NULL: a number */
	int64_t number;
	bool is_null, used;
};

/* Answers the request; `values` ends with an unused one, or is NULL. */
int listing_answer(struct request *rq, const struct listing *l,
		   const struct listing_value *values, struct err *e);

#endif
