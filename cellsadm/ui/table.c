/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/table.h"

#include "cellsadm/adm.h"
#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#define GAP 2
#define SHRINK_TO 8

/* The code point at *p, which moves on; bad UTF-8 is taken byte by byte. */
static uint32_t decode_utf8_char(const char **p)
{
	const unsigned char *s = (const unsigned char *)*p;
	unsigned int more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0;
	uint32_t c = more ? *s & (0x3f >> more) : *s;

	if (*s >= 0x80 && *s < 0xc0)
		more = 0;
	for (unsigned int i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*p += 1;
			return *s;
		}
		c = c << 6 | (s[i] & 0x3f);
	}
	*p += 1 + more;
	return c;
}

/* Moves the cursor, hides text or turns it round. */
static bool is_unsafe_char(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

char *table_escape_text(const char *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	while (*s) {
		const char *start = s;
		uint32_t c = decode_utf8_char(&s);

		if (c == '\t')
			fputs("        ", f);
		else if (is_unsafe_char(c))
			fprintf(f, "\\u{%x}", c);
		else
			fwrite(start, 1, (size_t)(s - start), f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void table_write_text(FILE *f, const char *text, size_t len)
{
	while (len > 0) {
		size_t n = strcspn(text, "\n");
		auto_free char *raw = strndup(text, n);
		auto_free char *safe = raw ? table_escape_text(raw) : NULL;

		fprintf(f, "%s\n", safe ? safe : "");
		n += n < len;
		text += n;
		len -= n < len ? n : len;
	}
}

unsigned int table_text_width(const char *s)
{
	unsigned int n = 0;

	while (*s) {
		int w = wcwidth((wchar_t)decode_utf8_char(&s));

		n += w < 0 ? 1 : (unsigned int)w;
	}
	return n;
}

/* Of the terminal on stdout; 0: it is none. */
static unsigned int get_terminal_width(void)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0)
		return 0;
	return w.ws_col;
}

/* The most whole characters of s that fit; *ret_width is what they take. */
static size_t fit_text_width(const char *s, unsigned int width,
			     unsigned int *ret_width)
{
	const char *p = s, *end = s;
	unsigned int used = 0;

	while (*p) {
		int w = wcwidth((wchar_t)decode_utf8_char(&p));

		w = w < 0 ? 1 : w;
		if (used + (unsigned int)w > width)
			break;
		used += (unsigned int)w;
		end = p;
	}
	*ret_width = used;
	return (size_t)(end - s);
}

void table_write_padded(FILE *f, const char *s, unsigned int width)
{
	unsigned int used = table_text_width(s);

	if (used > width && width > 0) {
		size_t n = fit_text_width(s, width - 1, &used);

		fwrite(s, 1, n, f);
		fputs("…", f);
		used++;
	} else {
		fputs(s, f);
	}
	for (; used < width; used++)
		putc(' ', f);
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

static void write_row_blocks(FILE *f, const struct table_cells *t)
{
	unsigned int widest = 0;

	for (unsigned int c = 0; c < t->n_columns; c++)
		if (table_text_width(t->title[c]) > widest)
			widest = table_text_width(t->title[c]);
	for (unsigned int r = 0; r < t->n_rows; r++) {
		if (r > 0)
			putc('\n', f);
		for (unsigned int c = 0; c < t->n_columns; c++) {
			table_write_padded(f, t->title[c], widest + GAP);
			fprintf(f, "%s\n", get_cell_text(t, r, c));
		}
	}
}

static void write_table_row(FILE *f, const struct table_cells *t, int row,
			    const unsigned int *width)
{
	for (unsigned int c = 0; c < t->n_columns; c++) {
		const char *s =
			row < 0 ? t->title[c]
				: get_cell_text(t, (unsigned int)row, c);
		unsigned int own = table_text_width(s);
		bool last = c + 1 == t->n_columns;

		table_write_padded(f, s,
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
		w[c] = table_text_width(t->title[c]);
		for (unsigned int r = 0; r < t->n_rows; r++)
			if (table_text_width(get_cell_text(t, r, c)) > w[c])
				w[c] = table_text_width(get_cell_text(t, r, c));
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

static void write_cell_value(FILE *f, const json_t *j, enum column_kind kind);

/* What an object is in a cell. */
static void write_object_cell(FILE *f, const json_t *j, enum column_kind kind)
{
	const json_t *value, *name = json_object_get(j, "name");
	auto_free char *text = NULL;
	const char *key, *gap = "";

	if (kind == COLUMN_NAMES) {
		write_cell_value(f, name ? name : json_object_get(j, "keyid"),
				 COLUMN_TEXT);
	} else if (kind == COLUMN_SIGNED) {
		write_cell_value(f, json_object_get(j, "id"), COLUMN_TEXT);
		putc(' ', f);
		write_cell_value(f, json_object_get(j, "version"), COLUMN_TEXT);
		fputs(" (", f);
		write_cell_value(f, json_object_get(j, "signers"),
				 COLUMN_NAMES);
		putc(')', f);
	} else if (kind == COLUMN_PAIRS) {
		json_object_foreach ((json_t *)j, key, value) {
			fprintf(f, "%s%s=", gap, key);
			write_cell_value(f, value, COLUMN_TEXT);
			gap = " ";
		}
	} else {
		text = json_text(j);
		fputs(text ? text : "", f);
	}
}

static void write_cell_value(FILE *f, const json_t *j, enum column_kind kind)
{
	const char *s = json_string_value(j);
	char size[24];
	const json_t *item;
	size_t i;

	if (json_is_integer(j) && kind == COLUMN_SIZE) {
		encoding_format_size((uint64_t)json_integer_value(j), size);
		fputs(size, f);
	} else if (json_is_integer(j)) {
		fprintf(f, "%lld", (long long)json_integer_value(j));
	} else if (json_is_boolean(j)) {
		fputs(json_is_true(j) ? "yes" : "no", f);
	} else if (s && kind == COLUMN_DIGEST) {
		s = strchr(s, ':') ? strchr(s, ':') + 1 : s;
		fprintf(f, "%.12s", s);
	} else if (s) {
		fputs(s, f);
	} else if (json_is_object(j)) {
		write_object_cell(f, j, kind);
	}
	json_array_foreach (j, i, item) {
		fputs(i > 0 ? ", " : "", f);
		write_cell_value(f, item, kind);
	}
}

static char *format_cell_text(const json_t *row, const struct column *c)
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
	return table_escape_text(text);
}

static void table_cells_fini(struct table_cells *t)
{
	for (unsigned int i = 0; t->cell && i < t->n_columns * t->n_rows; i++)
		free(t->cell[i]);
	free(t->cell);
	free((void *)t->title);
}

static int fill_table_cells(struct table_cells *t, const struct column *columns,
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

int table_print_rows(const struct adm *a, const struct column *columns,
		     const json_t *rows, struct err *e)
{
	AUTO(table_cells_fini) struct table_cells t = { 0 };
	int r;

	if (a->json) {
		auto_json json_t *j = json_pack("{sO}", "items", rows);

		adm_print_json(j);
		return 0;
	}
	r = fill_table_cells(&t, columns, rows, e);
	if (r < 0)
		return r;
	table_write_cells(stdout, &t, get_terminal_width());
	return 0;
}

int table_print_object(const struct adm *a, const struct column *columns,
		       const json_t *object, struct err *e)
{
	AUTO(table_cells_fini) struct table_cells t = { 0 };
	auto_json json_t *rows = json_pack("[O]", object);
	int r;

	if (a->json) {
		adm_print_json(object);
		return 0;
	}
	r = fill_table_cells(&t, columns, rows, e);
	if (r < 0)
		return r;
	write_row_blocks(stdout, &t);
	return 0;
}
