/* SPDX-License-Identifier: Apache-2.0 */
/* JSON from outside, by jansson: strict, bounded, with one-line errors. */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* json_decrefp() is jansson's own. */
#define auto_json AUTO(json_decrefp)

/*
 * Parses one JSON value that fills all `len` bytes; duplicate members, bad
 * UTF-8, NUL in strings and nesting beyond 32 are refused. `what` names the
 * input in messages. The caller owns *ret. -EINVAL, -ENOMEM.
 */
int json_parse(const char *text, size_t len, const char *what, json_t **ret,
	       struct err *e);

/* What a member of an object may be. The table's end has a NULL name. */
struct json_member {
	const char *name;
	json_type type; /* JSON_TRUE means true and false */
	bool optional;
	void *ret; /* const char **, int64_t *, bool * or json_t ** (borrowed);
		    * NULL: only checked */
};

/*
 * Takes an object apart by a table. An absent optional member leaves *ret as it
 * was. With `closed` a member that the table lacks is refused. -EINVAL.
 */
int json_read_object(json_t *object, const struct json_member *table,
		     bool closed, const char *what, struct err *e);

/* Compact, members sorted: the one spelling. Caller frees; NULL: no memory. */
char *json_text(const json_t *j);

/* A member of an object, borrowed; "" and 0 where it has none of that type. */
const char *json_get_string(const json_t *object, const char *name);
int64_t json_get_integer(const json_t *object, const char *name);

#endif
