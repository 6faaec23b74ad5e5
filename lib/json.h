/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON by jansson: text becomes values and values become text here alone; what
 * comes from outside strictly, within bounds, with one-line errors. Values are
 * jansson's own, of which this header gives access to all.
 */
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

/* An array or object out of text of our own, such as a column of the database;
 * NULL: the text is NULL or something else, or no memory. */
json_t *json_from_text(const char *text);

/* Compact, members sorted: the one spelling. Caller frees; NULL: no memory. */
char *json_text(const json_t *j);
/* The same for people, over several lines. */
char *json_text_indented(const json_t *j, unsigned int indent);

/* A member of an object, borrowed; "" and 0 where it has none of that type. */
const char *json_get_string(const json_t *object, const char *name);
int64_t json_get_integer(const json_t *object, const char *name);

#endif
