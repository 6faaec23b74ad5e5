/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?filter= of lists: `field op value`, joined by and, or and parentheses; "and"
 * binds closer. op: eq ne lt le gt ge like (a * matches any text). A value
 * is a word or "quoted", in which \ takes the next character as it is.
 */
#ifndef MGMT_SERVER_API_FILTER_H
#define MGMT_SERVER_API_FILTER_H

#include <stddef.h>
#include <stdint.h>

#define FILTER_TEXT_MAX 1024
#define FILTER_VALUES_MAX 32
#define FILTER_SQL_MAX 4096

struct err;

enum filter_kind {
	FILTER_TEXT,
	FILTER_NUMBER,
	FILTER_TIME,  /* RFC 3339; seconds in the column */
	FILTER_BOOL,  /* true, false; 1 and 0 in the column */
	FILTER_LABEL, /* the name ends in "."; a member of the column's object
		       */
};

struct filter_field {
	const char *name;   /* a NULL name ends the table */
	const char *column; /* an SQL expression of ours */
	enum filter_kind kind;
};

/* A condition, and the values for its parameters in order. */
struct filter {
	char sql[FILTER_SQL_MAX];
	size_t sql_len;
	unsigned int n;
	struct {
		char *text; /* owned; NULL: a number */
		int64_t number;
	} value[FILTER_VALUES_MAX];
};

/* -PROBLEM_BAD_FILTER. filter_fini() is due in each case. */
int filter_parse(const char *text, const struct filter_field *fields,
		 struct filter *ret, struct err *e);
void filter_fini(struct filter *f);

#endif
