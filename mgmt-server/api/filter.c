/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/filter.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define DEPTH_MAX 8
#define WORD_MAX 256

enum filter_token {
	TOKEN_END,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_WORD,
	TOKEN_QUOTED
};

struct filter_parser {
	const char *at;
	const struct filter_field *fields;
	struct filter *out;
	enum filter_token token; /* the one that is looked at */
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

static int set_filter_error(struct filter_parser *p, const char *what)
{
	return err_set(p->e, PROBLEM_BAD_FILTER, "filter: %s near '%.40s'",
		       what, p->word);
}

static int read_quoted_token(struct filter_parser *p)
{
	size_t n = 0;

	p->token = TOKEN_QUOTED;
	for (p->at++; *p->at && *p->at != '"'; p->at++) {
		if (*p->at == '\\' && p->at[1])
			p->at++;
		if (n + 1 >= sizeof(p->word))
			return set_filter_error(p, "a text is too long");
		p->word[n++] = *p->at;
	}
	p->word[n] = '\0';
	if (!*p->at)
		return set_filter_error(p, "a quote is not closed");
	p->at++;
	return 0;
}

static int read_next_token(struct filter_parser *p)
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
		return read_quoted_token(p);
	n = strcspn(p->at, " \t()\"");
	if (n >= sizeof(p->word))
		return set_filter_error(p, "a word is too long");
	memcpy(p->word, p->at, n);
	p->word[n] = '\0';
	p->at += n;
	p->token = TOKEN_WORD;
	return 0;
}

static int append_filter_sql(struct filter_parser *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int append_filter_sql(struct filter_parser *p, const char *fmt, ...)
{
	struct filter *f = p->out;
	size_t room = sizeof(f->sql) - f->sql_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(f->sql + f->sql_len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room)
		return set_filter_error(p, "too long");
	f->sql_len += (size_t)n;
	return 0;
}

static int append_sql_value(struct filter_parser *p, char *text, int64_t number)
{
	struct filter *f = p->out;

	if (f->n == FILTER_VALUES_MAX) {
		free(text);
		return set_filter_error(p, "more than 32 values");
	}
	f->value[f->n].text = text;
	f->value[f->n++].number = number;
	return 0;
}

static int append_text_value(struct filter_parser *p, const char *s)
{
	char *copy = strdup(s);

	return copy ? append_sql_value(p, copy, 0) : err_oom(p->e, "filter");
}

/* "*" of the grammar as LIKE's "%"; its own signs are escaped by "\". */
static int append_like_pattern(struct filter_parser *p)
{
	char pattern[2 * WORD_MAX];
	size_t n = 0;

	for (const char *c = p->word; *c; c++) {
		if (*c == '%' || *c == '_' || *c == '\\')
			pattern[n++] = '\\';
		pattern[n++] = *c == '*' ? '%' : *c;
	}
	pattern[n] = '\0';
	return append_text_value(p, pattern);
}

static int append_operand_value(struct filter_parser *p, enum filter_kind kind)
{
	uint64_t number;
	int64_t time;

	switch (kind) {
	case FILTER_NUMBER:
		if (encoding_parse_number(p->word, INT64_MAX, &number) < 0)
			return set_filter_error(p, "not a number");
		return append_sql_value(p, NULL, (int64_t)number);
	case FILTER_TIME:
		if (encoding_parse_time(p->word, &time) < 0)
			return set_filter_error(p, "not a time");
		return append_sql_value(p, NULL, time);
	case FILTER_BOOL:
		if (strcmp(p->word, "true") != 0 &&
		    strcmp(p->word, "false") != 0)
			return set_filter_error(p, "not true or false");
		return append_sql_value(p, NULL, p->word[0] == 't');
	default:
		return append_text_value(p, p->word);
	}
}

static const struct filter_field *
find_filter_field(const struct filter_parser *p)
{
	for (const struct filter_field *f = p->fields; f->name; f++) {
		size_t n = strlen(f->name);

		if (f->kind == FILTER_LABEL
			    ? strncmp(f->name, p->word, n) == 0 &&
				      encoding_is_valid_id(p->word + n)
			    : strcmp(f->name, p->word) == 0)
			return f;
	}
	return NULL;
}

/* What is not there is false, the earliest time and no number at all; it is
 * unequal to every text. */
static int append_field_sql(struct filter_parser *p,
			    const struct filter_field *f)
{
	char path[WORD_MAX + 8];
	int r;

	if (f->kind == FILTER_BOOL || f->kind == FILTER_TIME)
		return append_filter_sql(p, "coalesce(%s, 0)", f->column);
	if (f->kind != FILTER_LABEL)
		return append_filter_sql(p, "%s", f->column);
	snprintf(path, sizeof(path), "$.\"%s\"", p->word + strlen(f->name));
	r = append_text_value(p, path);
	return r < 0 ? r
		     : append_filter_sql(p, "json_extract(%s, ?)", f->column);
}

static int parse_comparison(struct filter_parser *p)
{
	const struct filter_field *f = find_filter_field(p);
	const char *sql = NULL;
	bool like;
	int r;

	if (p->token != TOKEN_WORD || !f)
		return set_filter_error(p, "unknown field");
	r = append_field_sql(p, f);
	if (r < 0)
		return r;
	r = read_next_token(p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (p->token == TOKEN_WORD && strcmp(ops[i].word, p->word) == 0)
			sql = ops[i].sql;
	if (!sql)
		return set_filter_error(p, "unknown operator");
	like = strcmp(sql, "LIKE") == 0;
	if (like && f->kind != FILTER_TEXT && f->kind != FILTER_LABEL)
		return set_filter_error(p, "like is for texts only");
	r = read_next_token(p);
	if (r < 0)
		return r;
	if (p->token != TOKEN_WORD && p->token != TOKEN_QUOTED)
		return set_filter_error(p, "no value");
	r = append_filter_sql(p, like ? " %s ? ESCAPE '\\'" : " %s ?", sql);
	if (r < 0)
		return r;
	r = like ? append_like_pattern(p) : append_operand_value(p, f->kind);
	return r < 0 ? r : read_next_token(p);
}

static int parse_or_expression(struct filter_parser *p);

static int parse_filter_term(struct filter_parser *p)
{
	int r;

	if (p->token != TOKEN_OPEN)
		return parse_comparison(p);
	if (++p->depth > DEPTH_MAX)
		return set_filter_error(p, "nested too deep");
	r = read_next_token(p);
	if (r < 0)
		return r;
	r = parse_or_expression(p);
	if (r < 0)
		return r;
	if (p->token != TOKEN_CLOSE)
		return set_filter_error(p, "no ')'");
	p->depth--;
	return read_next_token(p);
}

static bool is_current_word(const struct filter_parser *p, const char *word)
{
	return p->token == TOKEN_WORD && strcmp(p->word, word) == 0;
}

static int parse_and_expression(struct filter_parser *p)
{
	int r = parse_filter_term(p);

	while (r == 0 && is_current_word(p, "and")) {
		r = append_filter_sql(p, " AND ");
		if (r == 0)
			r = read_next_token(p);
		if (r == 0)
			r = parse_filter_term(p);
	}
	return r;
}

static int parse_or_expression(struct filter_parser *p)
{
	int r = append_filter_sql(p, "(");

	if (r == 0)
		r = parse_and_expression(p);
	while (r == 0 && is_current_word(p, "or")) {
		r = append_filter_sql(p, " OR ");
		if (r == 0)
			r = read_next_token(p);
		if (r == 0)
			r = parse_and_expression(p);
	}
	return r < 0 ? r : append_filter_sql(p, ")");
}

int filter_parse(const char *text, const struct filter_field *fields,
		 struct filter *ret, struct err *e)
{
	struct filter_parser p = {
		.at = text, .fields = fields, .out = ret, .e = e
	};
	int r;

	memset(ret, 0, sizeof(*ret));
	if (strlen(text) > FILTER_TEXT_MAX)
		return set_filter_error(&p, "too long");
	r = read_next_token(&p);
	if (r < 0)
		return r;
	r = parse_or_expression(&p);
	if (r < 0)
		return r;
	return p.token == TOKEN_END ? 0
				    : set_filter_error(&p, "something follows");
}

void filter_fini(struct filter *f)
{
	for (unsigned int i = 0; i < f->n; i++)
		free(f->value[i].text);
	f->n = 0;
}
