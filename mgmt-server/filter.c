/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/filter.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/request.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define DEPTH_MAX 8
#define WORD_MAX 256

enum token { TOKEN_END, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_WORD, TOKEN_QUOTED };

struct parser {
	const char *at;
	const struct filter_field *fields;
	struct filter *out;
	enum token token; /* the one that is looked at */
	char word[WORD_MAX];
	unsigned int depth;
	struct err *e;
};

static const struct {
	const char *word, *sql;
} ops[] = {
	{ "eq", "=" }, { "ne", "IS NOT" }, { "lt", "<" },      { "le", "<=" },
	{ "gt", ">" }, { "ge", ">=" },	   { "like", "LIKE" },
};

static int bad(struct parser *p, const char *what)
{
	return err_set(p->e, PROBLEM_BAD_FILTER, "filter: %s near '%.40s'",
		       what, p->word);
}

static int quoted(struct parser *p)
{
	size_t n = 0;

	p->token = TOKEN_QUOTED;
	for (p->at++; *p->at && *p->at != '"'; p->at++) {
		if (*p->at == '\\' && p->at[1])
			p->at++;
		if (n + 1 >= sizeof(p->word))
			return bad(p, "a text is too long");
		p->word[n++] = *p->at;
	}
	p->word[n] = '\0';
	if (!*p->at)
		return bad(p, "a quote is not closed");
	p->at++;
	return 0;
}

static int next(struct parser *p)
{
	size_t n;

	p->at += strspn(p->at, " \t");
	p->word[0] = '\0';
	if (!*p->at) {
		p->token = TOKEN_END;
		return 0;
	}
	if (*p->at == '(' || *p->at == ')') {
		p->token = *p->at++ == '(' ? TOKEN_OPEN : TOKEN_CLOSE;
		return 0;
	}
	if (*p->at == '"')
		return quoted(p);
	n = strcspn(p->at, " \t()\"");
	if (n >= sizeof(p->word))
		return bad(p, "a word is too long");
	memcpy(p->word, p->at, n);
	p->word[n] = '\0';
	p->at += n;
	p->token = TOKEN_WORD;
	return 0;
}

static int put(struct parser *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int put(struct parser *p, const char *fmt, ...)
{
	struct filter *f = p->out;
	size_t room = sizeof(f->sql) - f->sql_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(f->sql + f->sql_len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return bad(p, "too long");
	f->sql_len += (size_t)n;
	return 0;
}

static int add_value(struct parser *p, char *text, int64_t number)
{
	struct filter *f = p->out;

	if (f->n == FILTER_VALUES_MAX) {
		free(text);
		return bad(p, "more than 32 values");
	}
	f->value[f->n].text = text;
	f->value[f->n++].number = number;
	return 0;
}

static int add_text(struct parser *p, const char *s)
{
	char *copy = strdup(s);

	return copy ? add_value(p, copy, 0) : err_oom(p->e, "filter");
}

/* "*" of the grammar as LIKE's "%"; its own signs are escaped by "\". */
static int add_pattern(struct parser *p)
{
	char pattern[2 * WORD_MAX];
	size_t n = 0;

	for (const char *c = p->word; *c; c++) {
		if (*c == '%' || *c == '_' || *c == '\\')
			pattern[n++] = '\\';
		pattern[n++] = *c == '*' ? '%' : *c;
	}
	pattern[n] = '\0';
	return add_text(p, pattern);
}

static int add_operand(struct parser *p, enum filter_kind kind)
{
	uint64_t number;
	int64_t time;

	switch (kind) {
	case FILTER_NUMBER:
		if (text_number(p->word, INT64_MAX, &number) < 0)
			return bad(p, "not a number");
		return add_value(p, NULL, (int64_t)number);
	case FILTER_TIME:
		if (text_untime(p->word, &time) < 0)
			return bad(p, "not a time");
		return add_value(p, NULL, time);
	case FILTER_BOOL:
		if (strcmp(p->word, "true") != 0 &&
		    strcmp(p->word, "false") != 0)
			return bad(p, "not true or false");
		return add_value(p, NULL, p->word[0] == 't');
	default:
		return add_text(p, p->word);
	}
}

static const struct filter_field *find_field(const struct parser *p)
{
	for (const struct filter_field *f = p->fields; f->name; f++) {
		size_t n = strlen(f->name);

		if (f->kind == FILTER_LABEL
			    ? strncmp(f->name, p->word, n) == 0 &&
				      text_is_id(p->word + n)
			    : strcmp(f->name, p->word) == 0)
			return f;
	}
	return NULL;
}

/* What is not there is false, the earliest time and no number at all; it is
 * unequal to every text. */
static int put_field(struct parser *p, const struct filter_field *f)
{
	char path[WORD_MAX + 8];
	int r;

	if (f->kind == FILTER_BOOL || f->kind == FILTER_TIME)
		return put(p, "coalesce(%s, 0)", f->column);
	if (f->kind != FILTER_LABEL)
		return put(p, "%s", f->column);
	snprintf(path, sizeof(path), "$.\"%s\"", p->word + strlen(f->name));
	r = add_text(p, path);
	return r < 0 ? r : put(p, "json_extract(%s, ?)", f->column);
}

static int comparison(struct parser *p)
{
	const struct filter_field *f = find_field(p);
	const char *sql = NULL;
	bool like;
	int r;

	if (p->token != TOKEN_WORD || !f)
		return bad(p, "unknown field");
	r = put_field(p, f);
	if (r < 0)
		return r;
	r = next(p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (p->token == TOKEN_WORD && strcmp(ops[i].word, p->word) == 0)
			sql = ops[i].sql;
	if (!sql)
		return bad(p, "unknown operator");
	like = strcmp(sql, "LIKE") == 0;
	if (like && f->kind != FILTER_TEXT && f->kind != FILTER_LABEL)
		return bad(p, "like is for texts only");
	r = next(p);
	if (r < 0)
		return r;
	if (p->token != TOKEN_WORD && p->token != TOKEN_QUOTED)
		return bad(p, "no value");
	r = put(p, like ? " %s ? ESCAPE '\\'" : " %s ?", sql);
	if (r < 0)
		return r;
	r = like ? add_pattern(p) : add_operand(p, f->kind);
	return r < 0 ? r : next(p);
}

static int any_of(struct parser *p);

static int term(struct parser *p)
{
	int r;

	if (p->token != TOKEN_OPEN)
		return comparison(p);
	if (++p->depth > DEPTH_MAX)
		return bad(p, "nested too deep");
	r = next(p);
	if (r < 0)
		return r;
	r = any_of(p);
	if (r < 0)
		return r;
	if (p->token != TOKEN_CLOSE)
		return bad(p, "no ')'");
	p->depth--;
	return next(p);
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->token == TOKEN_WORD && strcmp(p->word, word) == 0;
}

static int all_of(struct parser *p)
{
	int r = term(p);

	while (r == 0 && is_word(p, "and")) {
		r = put(p, " AND ");
		if (r == 0)
			r = next(p);
		if (r == 0)
			r = term(p);
	}
	return r;
}

static int any_of(struct parser *p)
{
	int r = put(p, "(");

	if (r == 0)
		r = all_of(p);
	while (r == 0 && is_word(p, "or")) {
		r = put(p, " OR ");
		if (r == 0)
			r = next(p);
		if (r == 0)
			r = all_of(p);
	}
	return r < 0 ? r : put(p, ")");
}

int filter_parse(const char *text, const struct filter_field *fields,
		 struct filter *ret, struct err *e)
{
	struct parser p = { .at = text, .fields = fields, .out = ret, .e = e };
	int r;

	memset(ret, 0, sizeof(*ret));
	if (strlen(text) > FILTER_TEXT_MAX)
		return bad(&p, "too long");
	r = next(&p);
	if (r < 0)
		return r;
	r = any_of(&p);
	if (r < 0)
		return r;
	return p.token == TOKEN_END ? 0 : bad(&p, "something follows");
}

void filter_fini(struct filter *f)
{
	for (unsigned int i = 0; i < f->n; i++)
		free(f->value[i].text);
	f->n = 0;
}
