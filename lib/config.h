/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files. Each line is "key = value"; a line that begins with "#"
 * is a comment. A program lists its keys in a table. An unknown key, a
 * duplicate key or an invalid value is an error that names the file and the
 * line.
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
 * Reads `path` into the values of the table. A missing file is an error only
 * with `must_exist`. Keys that are not in the file keep their value.
 */
int config_read(const char *path, bool must_exist,
		const struct config_key *keys, struct err *e);

#endif
