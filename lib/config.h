/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files: one "key = value" a line, "#" starts a comment line.
 * A program lists its keys in a table; an unknown key, a duplicate key
 * and a bad value are errors that name file and line.
 */
#ifndef LIB_CONFIG_H
#define LIB_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum config_kind {
	CONFIG_STRING, /* char *: freed and replaced; NULL or strdup'd */
	CONFIG_NUMBER, /* uint64_t within min..max */
	CONFIG_BOOL,   /* bool: yes or no */
};

struct config_key {
	const char *name; /* a NULL name ends the table */
	enum config_kind kind;
	void *value;
	uint64_t min, max; /* of a number */
};

/*
 * Reads `path` into the table's values. A missing file is an error only with
 * `must_exist`. What the file does not name keeps its value.
 */
int config_read(const char *path, bool must_exist,
		const struct config_key *keys, struct err *e);

#endif
