/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/listing.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct listing_query {
	struct request *rq;
	const struct listing *l;
	struct filter filter;
	const char *cursor;
	uint64_t limit, cursor_number;
	bool desc;
};

static void listing_query_fini(struct listing_query *q)
{
	filter_fini(&q->filter);
}

static int parse_listing_arguments(struct listing_query *q, struct err *e)
{
	const char *text = request_get_argument(q->rq, "filter");
	const char *order = request_get_argument(q->rq, "order");
	int r = request_get_number(q->rq, "limit", 1, LISTING_LIMIT_MAX,
				   &q->limit, e);

	if (r < 0)
		return r;
	if (order && strcmp(order, "asc") != 0 && strcmp(order, "desc") != 0)
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "order: neither asc nor desc");
	q->desc = order ? strcmp(order, "desc") == 0 : q->l->desc;
	q->cursor = request_get_argument(q->rq, "cursor");
	if (q->cursor && !q->l->key_is_text &&
	    encoding_parse_number(q->cursor, INT64_MAX, &q->cursor_number) < 0)
		return err_set(e, EINVAL, "cursor: not one of ours");
	if (!text || !*text)
		return 0;
	if (!q->l->fields)
		return err_set(e, PROBLEM_BAD_FILTER,
			       "filter: this list has none");
	return filter_parse(text, q->l->fields, &q->filter, e);
}

static char *build_query_sql(const struct listing_query *q)
{
	const struct listing *l = q->l;
	size_t n_groups = l->scope ? json_array_size(q->rq->caller.groups) : 0;
	char *sql = NULL;
	size_t len;
	FILE *f = open_memstream(&sql, &len);

	if (!f)
		return NULL;
	fprintf(f, "%s WHERE (%s)", l->sql, l->where ? l->where : "1");
	if (q->filter.sql_len > 0)
		fprintf(f, " AND %s", q->filter.sql);
	if (n_groups > 0)
		fprintf(f, " AND %s IN (?", l->scope);
	for (size_t i = 1; i < n_groups; i++)
		fputs(", ?", f);
	if (n_groups > 0)
		fputs(")", f);
	if (q->cursor)
		fprintf(f, " AND %s %s ?", l->key, q->desc ? "<" : ">");
	fprintf(f, " ORDER BY %s%s LIMIT ?", l->key, q->desc ? " DESC" : "");
	if (fclose(f) != 0) {
		free(sql);
		return NULL;
	}
	return sql;
}

struct value_list {
	struct db_value *v;
	size_t n;
};

static void value_list_fini(struct value_list *l)
{
	free(l->v);
}

static void add_value(struct value_list *l, const char *text, int64_t number)
{
	l->v[l->n++] = (struct db_value){ .text = text, .number = number };
}

/* In the order of build_query_sql(); texts are borrowed. */
static int collect_query_values(const struct listing_query *q,
				const struct listing_value *v,
				struct value_list *ret)
{
	size_t own = 0, g;
	json_t *j;

	while (v && v[own].used)
		own++;
	ret->v = calloc(own + q->filter.n +
				json_array_size(q->rq->caller.groups) + 2,
			sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < own; i++)
		ret->v[ret->n++] = (struct db_value){ v[i].text, v[i].number,
						      v[i].is_null };
	for (unsigned int i = 0; i < q->filter.n; i++)
		add_value(ret, q->filter.value[i].text,
			  q->filter.value[i].number);
	if (q->l->scope)
		json_array_foreach (q->rq->caller.groups, g, j)
			add_value(ret, json_string_value(j), 0);
	if (q->cursor)
		add_value(ret, q->l->key_is_text ? q->cursor : NULL,
			  (int64_t)q->cursor_number);
	/* One more than asked for shows whether there is a next page. */
	add_value(ret, NULL, (int64_t)q->limit + 1);
	return 0;
}

static int collect_page_items(const struct listing_query *q, struct db_row *row,
			      json_t *items, char next[128], struct err *e)
{
	uint64_t n = 0;
	int r = 0;

	while (db_next(row, &r, e)) {
		json_t *item = NULL;

		if (n++ == q->limit)
			return 0;
		snprintf(next, 128, "%s", db_text(row, 0));
		r = q->l->row(q->rq, row, &item, e);
		if (r > 0)
			r = 0;
		if (r == 0 && item && json_array_append_new(items, item) < 0)
			return err_oom(e, "list");
	}
	next[0] = '\0';
	return r;
}

int listing_answer(struct request *rq, const struct listing *l,
		   const struct listing_value *values, struct err *e)
{
	AUTO(listing_query_fini)
	struct listing_query q = { .rq = rq, .l = l, .limit = LISTING_LIMIT };
	AUTO(value_list_fini) struct value_list list = { 0 };
	AUTO(db_done) struct db_row *row = NULL;
	auto_json json_t *items = json_array();
	auto_free char *sql = NULL;
	char next[128] = "";
	int r = parse_listing_arguments(&q, e);

	if (r < 0)
		return r;
	sql = build_query_sql(&q);
	if (!sql || !items || collect_query_values(&q, values, &list) < 0)
		return err_oom(e, "list");
	r = db_query_values(rq->db, &row, e, sql, list.v, list.n);
	if (r < 0)
		return r;
	r = collect_page_items(&q, row, items, next, e);
	if (r < 0)
		return r;
	return request_answer_list(rq, steal(items), next[0] ? next : NULL, e);
}
