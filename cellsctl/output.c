/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsctl/output.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16

/* Control characters, and those that change the direction of text (UTF-8). */
static void sanitize_terminal_text(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		bool bidi = p[0] == 0xe2 &&
			    ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
			     (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));

		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		else if (c1)
			p[0] = p[1] = '?';
		else if (bidi)
			p[0] = p[1] = p[2] = '?';
	}
}

/* Is it a list of words, as people write one? */
static bool is_string_list(const json_t *j)
{
	const json_t *item;
	size_t i;

	json_array_foreach ((json_t *)j, i, item)
		if (!json_is_string(item))
			return false;
	return json_is_array(j);
}

static char *join_string_list(const json_t *list)
{
	const json_t *item;
	size_t i, len = 0, used = 0;
	char *s;

	json_array_foreach ((json_t *)list, i, item)
		len += json_string_length(item) + 1;
	s = malloc(len + 1);
	if (!s)
		return NULL;
	s[0] = '\0';
	json_array_foreach ((json_t *)list, i, item)
		used += (size_t)sprintf(s + used, "%s%s", i > 0 ? " " : "",
					json_string_value(item));
	return s;
}

/* The caller frees it; NULL: no memory. */
static char *format_cell_text(const json_t *j)
{
	char *s;

	if (!j || json_is_null(j) ||
	    (json_is_array(j) && json_array_size(j) == 0))
		return strdup("-");
	if (is_string_list(j))
		s = join_string_list(j);
	else if (json_is_string(j))
		s = strdup(*json_string_value(j) ? json_string_value(j) : "-");
	else if (json_is_boolean(j))
		s = strdup(json_is_true(j) ? "yes" : "no");
	else
		s = json_dumps(j,
			       JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	if (s)
		sanitize_terminal_text(s);
	return s;
}

/* In characters, not bytes. */
static size_t count_characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_table_cell(const char *s, size_t room, bool last)
{
	printf("%s", s);
	for (size_t n = count_characters(s); !last && n < room + 2; n++)
		putchar(' ');
}

int output_print_table(const struct output_column *columns, const json_t *rows,
		       struct err *e)
{
	size_t room[COLUMNS_MAX] = { 0 }, n = 0, i;
	json_t *row;

	for (; columns[n].title && n < COLUMNS_MAX; n++) {
		room[n] = count_characters(columns[n].title);
		json_array_foreach (rows, i, row) {
			auto_free char *s = format_cell_text(
				json_object_get(row, columns[n].member));

			if (!s)
				return err_oom(e, "print a table");
			if (count_characters(s) > room[n])
				room[n] = count_characters(s);
		}
	}
	for (size_t c = 0; c < n; c++)
		print_table_cell(columns[c].title, room[c], c + 1 == n);
	putchar('\n');
	json_array_foreach (rows, i, row) {
		for (size_t c = 0; c < n; c++) {
			auto_free char *s = format_cell_text(
				json_object_get(row, columns[c].member));

			if (!s)
				return err_oom(e, "print a table");
			print_table_cell(s, room[c], c + 1 == n);
		}
		putchar('\n');
	}
	return 0;
}

void output_print_fields(const struct output_column *fields,
			 const json_t *object)
{
	for (; fields->title; fields++) {
		const json_t *j = json_object_get(object, fields->member);
		auto_free char *s = format_cell_text(j);

		if (j && s)
			printf("%-14s %s\n", fields->title, s);
	}
}

int output_print_json(const json_t *j, struct err *e)
{
	auto_free char *s = json_text(j);

	if (!s)
		return err_oom(e, "print JSON");
	puts(s);
	return 0;
}
