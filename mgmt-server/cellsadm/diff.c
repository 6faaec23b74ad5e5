/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/cellsadm/diff.h"

#include "lib/auto.h"
#include "mgmt-server/cellsadm/table.h"

#include <stdint.h>
#include <string.h>

/* Beyond that many pairs of lines the middle is shown as one block. */
#define PAIRS_MAX (4UL * 1024 * 1024)

struct line {
	const char *text;
	size_t len;
};

struct lines {
	struct line *line;
	size_t n;
};

static void lines_fini(struct lines *l)
{
	free(l->line);
}

static bool split(const char *text, size_t len, struct lines *ret)
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

		ret->line[ret->n++] = (struct line){ text, one };
		text += one + (end != NULL);
		len -= one + (end != NULL);
	}
	return true;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

struct output {
	FILE *f;
	bool color, any;
	const struct line *held[DIFFERENCE_CONTEXT]; /* context before */
	unsigned int n_held, after; /* context lines still to come */
};

static void put(struct output *o, char mark, const struct line *l)
{
	auto_free char *raw = strndup(l->text, l->len);
	auto_free char *safe = raw ? columns_safe(raw) : NULL;
	const char *color = mark == '+'	  ? "\033[32m"
			    : mark == '-' ? "\033[31m"
					  : "";

	fprintf(o->f, "%s%c %s%s\n", o->color ? color : "", mark,
		safe ? safe : "", o->color && *color ? "\033[0m" : "");
}

static void put_same(struct output *o, const struct line *l)
{
	if (o->after > 0) {
		put(o, ' ', l);
		o->after--;
		return;
	}
	if (o->n_held == DIFFERENCE_CONTEXT) {
		memmove(o->held, o->held + 1,
			(DIFFERENCE_CONTEXT - 1) * sizeof(*o->held));
		o->n_held--;
	}
	o->held[o->n_held++] = l;
}

static void put_changed(struct output *o, char mark, const struct line *l)
{
	for (unsigned int i = 0; i < o->n_held; i++)
		put(o, ' ', o->held[i]);
	o->n_held = 0;
	o->after = DIFFERENCE_CONTEXT;
	o->any = true;
	put(o, mark, l);
}

/*
 * The longest common subsequence: length[i][j] of a from i and b from j, filled
 * from the end, then walked from the start.
 */
static bool walk(struct output *o, const struct line *a, size_t n,
		 const struct line *b, size_t m)
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
				same(&a[x], &b[y])
					? length[(x + 1) * w + y + 1] + 1
					: (down > right ? down : right);
		}
	while (i < n || j < m) {
		if (i < n && j < m && same(&a[i], &b[j])) {
			put_same(o, &a[i++]);
			j++;
		} else if (i < n && (j == m || length[(i + 1) * w + j] >=
						       length[i * w + j + 1])) {
			put_changed(o, '-', &a[i++]);
		} else {
			put_changed(o, '+', &b[j++]);
		}
	}
	return true;
}

static void write_all(struct output *o, const struct lines *a,
		      const struct lines *b)
{
	size_t head = 0, tail = 0, n = a->n, m = b->n;

	while (head < n && head < m && same(&a->line[head], &b->line[head]))
		put_same(o, &a->line[head++]);
	while (tail < n - head && tail < m - head &&
	       same(&a->line[n - 1 - tail], &b->line[m - 1 - tail]))
		tail++;
	if (!walk(o, a->line + head, n - head - tail, b->line + head,
		  m - head - tail)) {
		for (size_t i = head; i < n - tail; i++)
			put_changed(o, '-', &a->line[i]);
		for (size_t i = head; i < m - tail; i++)
			put_changed(o, '+', &b->line[i]);
	}
	for (size_t i = 0; i < tail; i++)
		put_same(o, &a->line[n - tail + i]);
}

bool difference_write(FILE *f, const char *before, size_t before_len,
		      const char *after, size_t after_len, bool color)
{
	AUTO(lines_fini) struct lines a = { 0 }, b = { 0 };
	struct output o = { .f = f, .color = color };

	if (!split(after, after_len, &b) ||
	    !split(before ? before : "", before ? before_len : 0, &a))
		return true;
	write_all(&o, &a, &b);
	return o.any;
}
