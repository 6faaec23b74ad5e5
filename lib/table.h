/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints JSON as tables for people: aligned columns, or a line for each member
 * of an object. All text is escaped (lib/display.h), so that text from outside
 * cannot control the terminal.
 */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H

#include <stdio.h>

#include "lib/json.h"

struct err;

#define TABLE_COLUMNS_MAX 32

enum table_kind {
	TABLE_TEXT,   /* also numbers, yes and no, lists with ", " */
	TABLE_DIGEST, /* its first 12 digits */
	TABLE_SIZE,   /* 1.5 MiB */
	TABLE_NAMES,  /* the `name` (else `keyid`) of each object in a list */
	TABLE_PAIRS,  /* an object's members as name=value */
	TABLE_SIGNED, /* documents: "baseline 1 (alice, bob)" */
};

/* A NULL title ends the columns, at most TABLE_COLUMNS_MAX. */
struct table_column {
	const char *title;
	const char *member; /* "receipt.seq": of an object inside */
	enum table_kind kind;
};

/*
 * Prints an array of objects on stdout, with a line for each object and "-" for
 * a member that is missing, null or empty. If stdout is a terminal that is too
 * narrow, the widest columns are cut ("…"). If this is not enough, each object
 * is printed as a block of lines.
 */
int table_print_rows(const struct table_column *columns, const json_t *rows,
		     struct err *e);

/* Prints one object on stdout, with a line for each of its members. */
int table_print_object(const struct table_column *columns, const json_t *object,
		       struct err *e);

/* Prints JSON on stdout for a program: one line (json_text()). */
int table_print_json(const json_t *j, struct err *e);

/* Rows of formatted cells; width 0: the width of the content. */
struct table_cells {
	unsigned int n_columns, n_rows;
	const char *const *title;
	char **cell; /* row by row; NULL: "-" */
};
void table_write_cells(FILE *f, const struct table_cells *t,
		       unsigned int width);

#endif
