/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/request.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/core/turn.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

const char *request_method_name(enum method m)
{
	static const char *const names[] = { "GET", "POST", "PUT", "PATCH",
					     "DELETE" };

	return names[m];
}

void request_init(struct request *rq, const struct request_context *c)
{
	memset(rq, 0, sizeof(*rq));
	rq->context = c;
	rq->db = c ? c->turn->db : NULL;
	rq->answer.fd = -1;
	rq->job = -1;
}

/* The answer to a log-in or to a new token holds it. */
static void answer_fini(struct answer *a)
{
	if (a->body)
		explicit_bzero(a->body, strlen(a->body));
	free(a->body);
	if (a->fd >= 0)
		close(a->fd);
	*a = (struct answer){ .fd = -1 };
}

void request_fini(struct request *rq)
{
	answer_fini(&rq->answer);
	if (rq->work)
		rq->work_free(rq->work);
	if (rq->job >= 0)
		close(rq->job);
	for (unsigned int i = 0; i < rq->n_args; i++)
		free(rq->arg[i]);
	/* A log-in's holds a password. */
	if (rq->body)
		explicit_bzero(rq->body, rq->len);
	free(rq->body);
	json_decref(rq->json);
	json_decref(rq->audit.before);
	json_decref(rq->audit.after);
	token_fini(&rq->caller);
}

bool request_is_slice_over(const struct request *rq)
{
	return clock_mono_ns() >= rq->slice_end;
}

const char *request_get_argument(const struct request *rq, const char *name)
{
	size_t n = strlen(name);

	for (unsigned int i = 0; i < rq->n_args; i++)
		if (strncmp(rq->arg[i], name, n) == 0 && rq->arg[i][n] == '=')
			return rq->arg[i] + n + 1;
	return NULL;
}

int request_get_number(const struct request *rq, const char *name, uint64_t min,
		       uint64_t max, uint64_t *ret, struct err *e)
{
	const char *s = request_get_argument(rq, name);
	uint64_t n;

	if (!s)
		return 0;
	if (encoding_parse_number(s, max, &n) < 0 || n < min)
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "%s: not a number from %" PRIu64 " to %" PRIu64,
			       name, min, max);
	*ret = n;
	return 0;
}

int request_get_time(const struct request *rq, const char *name, int64_t *ret,
		     struct err *e)
{
	const char *s = request_get_argument(rq, name);

	if (s && encoding_parse_time(s, ret) < 0)
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "%s: not a time like 2026-11-20T08:00:00Z",
			       name);
	return 0;
}

int request_parse_body(struct request *rq, const struct json_member *table,
		       struct err *e)
{
	int r;

	if (!rq->json) {
		r = json_parse(rq->body ? rq->body : "", rq->len, "body",
			       &rq->json, e);
		if (r < 0)
			return r;
	}
	return json_read_object(rq->json, table, true, "body", e);
}

int request_answer_text(struct request *rq, int status, const char *type,
			char *text, struct err *e)
{
	if (!text)
		return err_oom(e, "answer");
	free(rq->answer.body);
	rq->answer.body = text;
	rq->answer.len = strlen(text);
	rq->answer.type = type;
	rq->answer.status = status;
	return 0;
}

int request_answer_json(struct request *rq, int status, json_t *j,
			struct err *e)
{
	char *text = j ? json_text(j) : NULL;

	json_decref(j);
	return request_answer_text(rq, status, "application/json", text, e);
}

int request_answer_list(struct request *rq, json_t *items, const char *next,
			struct err *e)
{
	return request_answer_json(rq, 200,
				   json_pack("{s:o, s:o}", "items", items,
					     "next",
					     request_optional_string(next)),
				   e);
}

/* What an errno of a handler is to a client. */
static const struct problem {
	int code, status;
	const char *word, *title;
} problems[] = {
	{ PROBLEM_NOT_FOUND, 404, "not-found", "Not found" },
	{ PROBLEM_FORBIDDEN, 403, "forbidden", "Not allowed" },
	{ PROBLEM_UNAUTHORIZED, 401, "unauthorized", "No valid token" },
	{ PROBLEM_CONFLICT, 409, "conflict", "Conflict" },
	{ PROBLEM_BAD_REQUEST, 400, "bad-request", "Bad request" },
	{ PROBLEM_BAD_FILTER, 400, "bad-filter", "Bad filter" },
	{ PROBLEM_CHANGED, 412, "changed", "Changed meanwhile" },
	{ PROBLEM_KEY_REUSED, 422, "key-reused", "Idempotency-Key reused" },
	{ PROBLEM_LIMITED, 429, "rate-limited", "Too many requests" },
	{ EBUSY, 503, "overloaded", "Try again later" },
	{ PROBLEM_OVERLOADED, 503, "overloaded", "Try again later" },
	{ PROBLEM_METHOD, 405, "method-not-allowed", "Method not allowed" },
	{ PROBLEM_UNSUPPORTED, 415, "unsupported", "Not supported" },
	{ ELOOP, 411, "bad-request", "Length required" },
	{ ERANGE, 416, "bad-request", "No such range" },
	{ EFBIG, 413, "too-large", "Too large" },
	{ 0, 500, "internal", "Internal error" },
};

static const struct problem *find_problem_entry(int code)
{
	const struct problem *p = problems;

	while (p->code && p->code != code)
		p++;
	return p;
}

static int get_reason_status(enum reason r)
{
	switch (r) {
	case REASON_TOO_LARGE:
		return 413;
	case REASON_ROLLBACK:
	case REASON_EQUIVOCATION:
	case REASON_REPLAY:
	case REASON_VP_STATE:
		return 409;
	case REASON_NO_SUCH_VP:
		return 404;
	case REASON_BUSY:
		return 503;
	case REASON_STORAGE_FULL:
		return 507;
	case REASON_INTERNAL:
	case REASON_KERNEL:
		return 500;
	default:
		return 422;
	}
}

const char *request_problem_code(int r, const struct err *e)
{
	return e->reason ? reason_code(e->reason)
			 : find_problem_entry(-r)->word;
}

void request_answer_problem(struct request *rq, int r, const struct err *e)
{
	const struct problem *p = find_problem_entry(-r);
	const char *code = request_problem_code(r, e);
	int status = e->reason ? get_reason_status(e->reason) : p->status;
	const char *title = e->reason ? reason_text(e->reason) : p->title;
	/* What went wrong inside is for the log, not for everybody. */
	const char *detail = status == 500 ? "see the server's log" : e->text;
	auto_json json_t *j = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type",
					"about:blank", "title", title, "status",
					status, "code", code, "detail", detail);
	struct answer a = { .fd = -1,
			    .status = status,
			    .type = "application/problem+json",
			    .retry_after = status == 429 || status == 503,
			    .close = rq->answer.close };

	if (!j) /* a detail that is not UTF-8 */
		j = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank",
			      "title", title, "status", status, "code", code);
	if (j && e->reason)
		json_object_set_new(j, "remedy",
				    json_string(reason_remedy(e->reason)));
	a.body = j ? json_text(j) : NULL;
	a.len = a.body ? strlen(a.body) : 0;
	answer_fini(&rq->answer);
	rq->answer = a;
	if (e->reason == REASON_STORAGE_FULL)
		turn_set_storage_full(rq->context->turn, e);
}

void request_set_etag(struct request *rq, int64_t rev)
{
	snprintf(rq->answer.etag, sizeof(rq->answer.etag), "\"%" PRId64 "\"",
		 rev);
}

int request_check_etag(const struct request *rq, int64_t rev, struct err *e)
{
	char etag[24];

	snprintf(etag, sizeof(etag), "\"%" PRId64 "\"", rev);
	if (rq->if_match[0] && strcmp(rq->if_match, "*") != 0 &&
	    strcmp(rq->if_match, etag) != 0)
		return err_set(e, PROBLEM_CHANGED, "it is %s now, not %s", etag,
			       rq->if_match);
	return 0;
}

static void copy_audit_text(char *ret, size_t size, const char *s)
{
	snprintf(ret, size, "%s", s ? s : "");
}

void request_set_audit(struct request *rq, const char *object,
		       const char *device, const char *group, json_t *before,
		       json_t *after)
{
	copy_audit_text(rq->audit.object, sizeof(rq->audit.object), object);
	copy_audit_text(rq->audit.device, sizeof(rq->audit.device), device);
	copy_audit_text(rq->audit.group, sizeof(rq->audit.group), group);
	json_decref(rq->audit.before);
	json_decref(rq->audit.after);
	rq->audit.before = before;
	rq->audit.after = after;
}

bool request_can_see_group(const struct request *rq, const char *group)
{
	return token_can_see_group(&rq->caller, group);
}

json_t *request_optional_string(const char *s)
{
	return s ? json_string(s) : json_null();
}

json_t *request_optional_time(int64_t t)
{
	char text[ENCODING_TIME_SIZE];

	if (t <= 0)
		return json_null();
	encoding_format_time(t, text);
	return json_string(text);
}

int request_set_member(json_t *j, const char *name, json_t *value)
{
	return json_object_set_new(j, name, value) < 0 ? -ENOMEM : 0;
}
