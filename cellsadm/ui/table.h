/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people: aligned columns out of JSON objects, or the JSON itself.
 * What came from elsewhere cannot move the cursor: control and direction
 * characters are written as \u{..}. UTF-8 is counted by its width.
 */
#ifndef CELLSADM_UI_TABLE_H
#define CELLSADM_UI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "lib/json.h"

struct adm;
struct err;

enum column_kind {
	COLUMN_TEXT,   /* also numbers, yes and no, lists with ", " */
	COLUMN_DIGEST, /* its first 12 digits */
	COLUMN_SIZE,   /* 1.5 MiB */
	COLUMN_NAMES,  /* the `name` (else `keyid`) of each object in a list */
	COLUMN_PAIRS,  /* an object's members as name=value */
	COLUMN_SIGNED, /* documents: "baseline 1 (alice, bob)" */
};

/* A NULL title ends the table. */
struct column {
	const char *title;
	const char *member; /* "receipt.seq": of an object inside */
	enum column_kind kind;
};

/*
 * --format json: {"items": rows}, as the server's lists. Else a line for each
 * object; where the terminal is too narrow for all columns, a block for each.
 */
int table_print_rows(const struct adm *a, const struct column *columns,
		     const json_t *rows, struct err *e);

/* The same for one object: a line for each column. */
int table_print_object(const struct adm *a, const struct column *columns,
		       const json_t *object, struct err *e);

/* Rows of ready cells; width 0: as wide as it gets. */
struct table_cells {
	unsigned int n_columns, n_rows;
	const char *const *title;
	char **cell; /* row by row; NULL: "-" */
};
void table_write_cells(FILE *f, const struct table_cells *t,
		       unsigned int width);

/* A safe spelling of `s`, which the caller frees; NULL: no memory. */
char *table_escape_text(const char *s);
/* Each line made safe. */
void table_write_text(FILE *f, const char *text, size_t len);
/* Columns on the terminal that `s` takes. */
unsigned int table_text_width(const char *s);
/* s, and blanks up to `width`. */
void table_write_padded(FILE *f, const char *s, unsigned int width);

#endif
