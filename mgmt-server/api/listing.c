/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/listing.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/server.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void stmt_freep(sqlite3_stmt **st)
{
	sqlite3_finalize(*st);
}

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

static int bind_text_value(sqlite3_stmt *st, int i, const char *s)
{
	return sqlite3_bind_text(st, i, s, -1, SQLITE_TRANSIENT);
}

static int bind_query_values(const struct listing_query *q,
			     const struct listing_value *v, sqlite3_stmt *st)
{
	int i = 1, r = SQLITE_OK;
	size_t g;
	json_t *j;

	for (; v && v->used; v++)
		r |= v->is_null ? sqlite3_bind_null(st, i++)
		     : v->text	? bind_text_value(st, i++, v->text)
				: sqlite3_bind_int64(st, i++, v->number);
	for (unsigned int n = 0; n < q->filter.n; n++)
		r |= q->filter.value[n].text
			     ? bind_text_value(st, i++, q->filter.value[n].text)
			     : sqlite3_bind_int64(st, i++,
						  q->filter.value[n].number);
	if (q->l->scope)
		json_array_foreach (q->rq->caller.groups, g, j)
			r |= bind_text_value(st, i++, json_string_value(j));
	if (q->cursor)
		r |= q->l->key_is_text
			     ? bind_text_value(st, i++, q->cursor)
			     : sqlite3_bind_int64(st, i++,
						  (int64_t)q->cursor_number);
	/* One more than asked for shows whether there is a next page. */
	r |= sqlite3_bind_int64(st, i, (int64_t)q->limit + 1);
	return r == SQLITE_OK ? 0 : -EIO;
}

static int collect_page_items(const struct listing_query *q, sqlite3_stmt *st,
			      json_t *items, char next[128], struct err *e)
{
	struct request *rq = q->rq;
	int r;

	for (uint64_t n = 0;; n++) {
		json_t *row = NULL;

		r = db_step(rq->server->db, st, e);
		if (r < 0)
			return r;
		if (r == 0) {
			next[0] = '\0';
			return 0;
		}
		if (n == q->limit)
			return 0;
		snprintf(next, 128, "%s",
			 (const char *)sqlite3_column_text(st, 0));
		r = q->l->row(rq, st, &row, e);
		if (r < 0)
			return r;
		if (row && json_array_append_new(items, row) < 0)
			return err_oom(e, "list");
	}
}

int listing_answer(struct request *rq, const struct listing *l,
		   const struct listing_value *values, struct err *e)
{
	AUTO(listing_query_fini)
	struct listing_query q = { .rq = rq, .l = l, .limit = LISTING_LIMIT };
	AUTO(stmt_freep) sqlite3_stmt *st = NULL;
	sqlite3 *db = db_handle(rq->server->db);
	auto_json json_t *items = json_array();
	auto_free char *sql = NULL;
	char next[128] = "";
	int r = parse_listing_arguments(&q, e);

	if (r < 0)
		return r;
	sql = build_query_sql(&q);
	if (!sql || !items)
		return err_oom(e, "list");
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK ||
	    bind_query_values(&q, values, st) < 0)
		return err_set(e, EIO, "list: %s", sqlite3_errmsg(db));
	r = collect_page_items(&q, st, items, next, e);
	if (r < 0)
		return r;
	return request_answer_list(rq, steal(items), next[0] ? next : NULL, e);
}
