/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people, JSON for programs. */
#ifndef CELLSD_OUTPUT_H
#define CELLSD_OUTPUT_H

#include "lib/json.h"

struct err;

/* A column's title and the member that it shows; a NULL title ends. */
struct ctlshow_column {
	const char *title, *member;
};

/* Aligned columns of an array of objects. What is not text is written as JSON
 * has it; bytes that could steer a terminal are replaced. */
int ctlshow_rows(const struct ctlshow_column *columns, const json_t *rows,
		 struct err *e);

/* "title: value", a line for each member of the object that there is. */
void ctlshow_fields(const struct ctlshow_column *fields, const json_t *object);

/* The one spelling, and a newline. */
int ctlshow_json(const json_t *j, struct err *e);

#endif
