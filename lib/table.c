/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/table.h"

#include "lib/auto.h"
#include "lib/display.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2
#define SHRINK_TO 8
#define TITLE_WIDTH 13 /* of an object's members, at least */

/* Of the terminal on stdout; 0: it is none. */
static unsigned int get_terminal_width(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return 0;
	return w.ws_col;
}

static const char *get_cell_text(const struct table_cells *t, unsigned int row,
				 unsigned int column)
{
	const char *s = t->cell[row * t->n_columns + column];

	return s && *s ? s : "-";
}

/* Takes from the widest columns until all fit. False: they cannot. */
static bool shrink_column_widths(unsigned int *width, unsigned int n,
				 unsigned int room)
{
	for (;;) {
		unsigned int sum = 0, widest = 0;

		for (unsigned int i = 0; i < n; i++) {
			sum += width[i] + (i + 1 < n ? GAP : 0);
			if (width[i] > width[widest])
				widest = i;
		}
		if (room == 0 || sum <= room)
			return true;
		if (width[widest] <= SHRINK_TO)
			return false;
		width[widest]--;
	}
}

static void write_row_block(FILE *f, const struct table_cells *t,
			    unsigned int row, unsigned int width)
{
	for (unsigned int c = 0; c < t->n_columns; c++)
		if (display_width(t->title[c]) > width)
			width = display_width(t->title[c]);
	for (unsigned int c = 0; c < t->n_columns; c++) {
		display_write_padded(f, t->title[c], width + GAP);
		fprintf(f, "%s\n", get_cell_text(t, row, c));
	}
}

static void write_row_blocks(FILE *f, const struct table_cells *t)
{
	for (unsigned int r = 0; r < t->n_rows; r++) {
		if (r > 0)
			putc('\n', f);
		write_row_block(f, t, r, 0);
	}
}

static void write_table_row(FILE *f, const struct table_cells *t, int row,
			    const unsigned int *width)
{
	for (unsigned int c = 0; c < t->n_columns; c++) {
		const char *s =
			row < 0 ? t->title[c]
				: get_cell_text(t, (unsigned int)row, c);
		unsigned int own = display_width(s);
		bool last = c + 1 == t->n_columns;

		display_write_padded(f, s,
				     last && own < width[c] ? own : width[c]);
		fputs(last ? "\n" : "  ", f);
	}
}

void table_write_cells(FILE *f, const struct table_cells *t, unsigned int width)
{
	auto_free unsigned int *w = calloc(t->n_columns + 1, sizeof(*w));

	if (!w)
		return;
	for (unsigned int c = 0; c < t->n_columns; c++) {
		w[c] = display_width(t->title[c]);
		for (unsigned int r = 0; r < t->n_rows; r++)
			if (display_width(get_cell_text(t, r, c)) > w[c])
				w[c] = display_width(get_cell_text(t, r, c));
	}
	if (!shrink_column_widths(w, t->n_columns, width)) {
		write_row_blocks(f, t);
		return;
	}
	for (int r = -1; r < (int)t->n_rows; r++)
		write_table_row(f, t, r, w);
}

static const json_t *lookup_member_path(const json_t *j, const char *path)
{
	char name[64];

	while (j && *path) {
		size_t n = strcspn(path, ".");

		if (n >= sizeof(name))
			return NULL;
		memcpy(name, path, n);
		name[n] = '\0';
		j = json_object_get(j, name);
		path += n + (path[n] == '.');
	}
	return j;
}

static void write_cell_value(FILE *f, const json_t *j, enum table_kind kind);

/* What an object is in a cell. */
static void write_object_cell(FILE *f, const json_t *j, enum table_kind kind)
{
	const json_t *value, *name = json_object_get(j, "name");
	auto_free char *text = NULL;
	const char *key, *gap = "";

	if (kind == TABLE_NAMES) {
		write_cell_value(f, name ? name : json_object_get(j, "keyid"),
				 TABLE_TEXT);
	} else if (kind == TABLE_SIGNED) {
		write_cell_value(f, json_object_get(j, "id"), TABLE_TEXT);
		putc(' ', f);
		write_cell_value(f, json_object_get(j, "version"), TABLE_TEXT);
		fputs(" (", f);
		write_cell_value(f, json_object_get(j, "signers"), TABLE_NAMES);
		putc(')', f);
	} else if (kind == TABLE_PAIRS) {
		json_object_foreach ((json_t *)j, key, value) {
			fprintf(f, "%s%s=", gap, key);
			write_cell_value(f, value, TABLE_TEXT);
			gap = " ";
		}
	} else {
		text = json_text(j);
		fputs(text ? text : "", f);
	}
}

static void write_cell_value(FILE *f, const json_t *j, enum table_kind kind)
{
	const char *s = json_string_value(j);
	char size[24];
	const json_t *item;
	size_t i;

	if (json_is_integer(j) && kind == TABLE_SIZE) {
		encoding_format_size((uint64_t)json_integer_value(j), size);
		fputs(size, f);
	} else if (json_is_integer(j)) {
		fprintf(f, "%lld", (long long)json_integer_value(j));
	} else if (json_is_boolean(j)) {
		fputs(json_is_true(j) ? "yes" : "no", f);
	} else if (s && kind == TABLE_DIGEST) {
		s = strchr(s, ':') ? strchr(s, ':') + 1 : s;
		fprintf(f, "%.12s", s);
	} else if (s) {
		fputs(s, f);
	} else if (json_is_real(j)) {
		fprintf(f, "%g", json_real_value(j));
	} else if (json_is_object(j)) {
		write_object_cell(f, j, kind);
	}
	json_array_foreach (j, i, item) {
		fputs(i > 0 ? ", " : "", f);
		write_cell_value(f, item, kind);
	}
}

static char *format_cell_text(const json_t *row, const struct table_column *c)
{
	const json_t *j = lookup_member_path(row, c->member);
	auto_free char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	if (j)
		write_cell_value(f, j, c->kind);
	if (fclose(f) != 0)
		return NULL;
	return display_escape(text);
}

static void table_cells_fini(struct table_cells *t)
{
	for (unsigned int i = 0; t->cell && i < t->n_columns * t->n_rows; i++)
		free(t->cell[i]);
	free(t->cell);
	free((void *)t->title);
}

static int fill_table_cells(struct table_cells *t,
			    const struct table_column *columns,
			    const json_t *rows, struct err *e)
{
	const char **title;

	while (columns[t->n_columns].title)
		t->n_columns++;
	t->n_rows = (unsigned int)json_array_size(rows);
	t->title = title = calloc(t->n_columns + 1, sizeof(*title));
	t->cell =
		calloc((size_t)t->n_columns * t->n_rows + 1, sizeof(*t->cell));
	if (!title || !t->cell)
		return err_oom(e, "make a table");
	for (unsigned int c = 0; c < t->n_columns; c++)
		title[c] = columns[c].title;
	for (unsigned int i = 0; i < t->n_rows * t->n_columns; i++) {
		t->cell[i] =
			format_cell_text(json_array_get(rows, i / t->n_columns),
					 &columns[i % t->n_columns]);
		if (!t->cell[i])
			return err_oom(e, "make a table");
	}
	return 0;
}

int table_print_rows(const struct table_column *columns, const json_t *rows,
		     struct err *e)
{
	AUTO(table_cells_fini) struct table_cells t = { 0 };
	int r = fill_table_cells(&t, columns, rows, e);

	if (r == 0)
		table_write_cells(stdout, &t, get_terminal_width());
	return r;
}

/* The columns whose member the object has. */
static void find_present_columns(const struct table_column *columns,
				 const json_t *object,
				 struct table_column ret[TABLE_COLUMNS_MAX + 1])
{
	unsigned int n = 0;

	for (; columns->title && n < TABLE_COLUMNS_MAX; columns++)
		if (lookup_member_path(object, columns->member))
			ret[n++] = *columns;
	ret[n] = (struct table_column){ NULL };
}

int table_print_object(const struct table_column *columns, const json_t *object,
		       struct err *e)
{
	AUTO(table_cells_fini) struct table_cells t = { 0 };
	struct table_column present[TABLE_COLUMNS_MAX + 1];
	auto_json json_t *rows = json_pack("[O]", object);
	int r;

	find_present_columns(columns, object, present);
	r = fill_table_cells(&t, present, rows, e);
	if (r == 0)
		write_row_block(stdout, &t, 0, TITLE_WIDTH);
	return r;
}

int table_print_json(const json_t *j, struct err *e)
{
	auto_free char *s = json_text(j);

	if (!s)
		return err_oom(e, "print JSON");
	puts(s);
	return 0;
}
