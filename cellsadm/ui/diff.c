/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/ui/diff.h"

#include "lib/auto.h"
#include "lib/display.h"

#include <stdint.h>
#include <string.h>

/* Beyond that many pairs of lines the middle is shown as one block. */
#define PAIRS_MAX (4UL * 1024 * 1024)

struct text_line {
	const char *text;
	size_t len;
};

struct text_lines {
	struct text_line *line;
	size_t n;
};

static void text_lines_fini(struct text_lines *l)
{
	free(l->line);
}

static bool split_text_lines(const char *text, size_t len,
			     struct text_lines *ret)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	ret->line = calloc(n, sizeof(*ret->line));
	if (!ret->line)
		return false;
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t one = end ? (size_t)(end - text) : len;

		ret->line[ret->n++] = (struct text_line){ text, one };
		text += one + (end != NULL);
		len -= one + (end != NULL);
	}
	return true;
}

static bool is_same_line(const struct text_line *a, const struct text_line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

struct diff_output {
	FILE *f;
	bool color, any;
	const struct text_line *held[DIFF_CONTEXT]; /* context before */
	unsigned int n_held, after; /* context lines still to come */
};

static void write_diff_line(struct diff_output *o, char mark,
			    const struct text_line *l)
{
	auto_free char *raw = strndup(l->text, l->len);
	auto_free char *safe = raw ? display_escape(raw) : NULL;
	const char *color = mark == '+'	  ? "\033[32m"
			    : mark == '-' ? "\033[31m"
					  : "";

	fprintf(o->f, "%s%c %s%s\n", o->color ? color : "", mark,
		safe ? safe : "", o->color && *color ? "\033[0m" : "");
}

static void add_context_line(struct diff_output *o, const struct text_line *l)
{
	if (o->after > 0) {
		write_diff_line(o, ' ', l);
		o->after--;
		return;
	}
	if (o->n_held == DIFF_CONTEXT) {
		memmove(o->held, o->held + 1,
			(DIFF_CONTEXT - 1) * sizeof(*o->held));
		o->n_held--;
	}
	o->held[o->n_held++] = l;
}

static void write_changed_line(struct diff_output *o, char mark,
			       const struct text_line *l)
{
	for (unsigned int i = 0; i < o->n_held; i++)
		write_diff_line(o, ' ', o->held[i]);
	o->n_held = 0;
	o->after = DIFF_CONTEXT;
	o->any = true;
	write_diff_line(o, mark, l);
}

/*
 * The longest common subsequence: length[i][j] of a from i and b from j, filled
 * from the end, then walked from the start.
 */
static bool write_lcs_diff(struct diff_output *o, const struct text_line *a,
			   size_t n, const struct text_line *b, size_t m)
{
	auto_free uint32_t *length = NULL;
	size_t i = 0, j = 0, w = m + 1;

	if (n && m && n > PAIRS_MAX / m)
		return false;
	length = calloc((n + 1) * w, sizeof(*length));
	if (!length)
		return false;
	for (size_t x = n; x-- > 0;)
		for (size_t y = m; y-- > 0;) {
			uint32_t down = length[(x + 1) * w + y];
			uint32_t right = length[x * w + y + 1];

			length[x * w + y] =
				is_same_line(&a[x], &b[y])
					? length[(x + 1) * w + y + 1] + 1
					: (down > right ? down : right);
		}
	while (i < n || j < m) {
		if (i < n && j < m && is_same_line(&a[i], &b[j])) {
			add_context_line(o, &a[i++]);
			j++;
		} else if (i < n && (j == m || length[(i + 1) * w + j] >=
						       length[i * w + j + 1])) {
			write_changed_line(o, '-', &a[i++]);
		} else {
			write_changed_line(o, '+', &b[j++]);
		}
	}
	return true;
}

static void write_all_changes(struct diff_output *o, const struct text_lines *a,
			      const struct text_lines *b)
{
	size_t head = 0, tail = 0, n = a->n, m = b->n;

	while (head < n && head < m &&
	       is_same_line(&a->line[head], &b->line[head]))
		add_context_line(o, &a->line[head++]);
	while (tail < n - head && tail < m - head &&
	       is_same_line(&a->line[n - 1 - tail], &b->line[m - 1 - tail]))
		tail++;
	if (!write_lcs_diff(o, a->line + head, n - head - tail, b->line + head,
			    m - head - tail)) {
		for (size_t i = head; i < n - tail; i++)
			write_changed_line(o, '-', &a->line[i]);
		for (size_t i = head; i < m - tail; i++)
			write_changed_line(o, '+', &b->line[i]);
	}
	for (size_t i = 0; i < tail; i++)
		add_context_line(o, &a->line[n - tail + i]);
}

bool diff_write(FILE *f, const char *before, size_t before_len,
		const char *after, size_t after_len, bool color)
{
	AUTO(text_lines_fini) struct text_lines a = { 0 }, b = { 0 };
	struct diff_output o = { .f = f, .color = color };

	if (!split_text_lines(after, after_len, &b) ||
	    !split_text_lines(before ? before : "", before ? before_len : 0,
			      &a))
		return true;
	write_all_changes(&o, &a, &b);
	return o.any;
}
