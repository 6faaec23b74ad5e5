/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people, JSON for programs. */
#ifndef CELLSCTL_OUTPUT_H
#define CELLSCTL_OUTPUT_H

#include "lib/json.h"

struct err;

/* A column's title and the member that it shows; a NULL title ends. */
struct output_column {
	const char *title, *member;
};

/* Aligned columns of an array of objects. What is not text is written as JSON
 * has it; bytes that could steer a terminal are replaced. */
int output_print_table(const struct output_column *columns, const json_t *rows,
		       struct err *e);

/* "title: value", a line for each member of the object that there is. */
void output_print_fields(const struct output_column *fields,
			 const json_t *object);

/* The one spelling, and a newline. */
int output_print_json(const json_t *j, struct err *e);

#endif
