/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON with jansson. Only this file parses and formats JSON text. Input from
 * outside is parsed strictly and within bounds, with one-line errors. Values
 * are those of jansson, whose functions this header provides.
 */
#ifndef LIB_JSON_H
#define LIB_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* json_decrefp() is a function of jansson. */
#define auto_json AUTO(json_decrefp)

/*
 * Parses one JSON value that fills all `len` bytes; duplicate members, bad
 * UTF-8, NUL in strings and nesting beyond 32 are refused. `what` names the
 * input in messages. The caller owns *ret. -EINVAL, -ENOMEM.
 */
int json_parse(const char *text, size_t len, const char *what, json_t **ret,
	       struct err *e);

/* A member of an object. A NULL name ends the table. */
struct json_member {
	const char *name;
	json_type type; /* JSON_TRUE means true and false */
	bool optional;
	void *ret; /* const char **, int64_t *, bool * or json_t ** (borrowed);
		    * NULL: only checked */
};

/*
 * Reads the members of an object into a table. A missing optional member leaves
 * *ret unchanged. With `closed`, a member that is not in the table is refused.
 * -EINVAL.
 */
int json_read_object(json_t *object, const struct json_member *table,
		     bool closed, const char *what, struct err *e);

/*
 * Parses an array or object from our own text, such as a database column. NULL:
 * the text is NULL or has another type, or there is no memory.
 */
json_t *json_from_text(const char *text);

/*
 * The canonical form: compact, with sorted members. The caller frees it; NULL:
 * no memory.
 */
char *json_text(const json_t *j);
/* The same for people, on several lines. */
char *json_text_indented(const json_t *j, unsigned int indent);

/* A member of an object, borrowed; "" and 0 if there is none of that type. */
const char *json_get_string(const json_t *object, const char *name);
int64_t json_get_integer(const json_t *object, const char *name);

#endif
