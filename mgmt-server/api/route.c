/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/route.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/api/arguments.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/store/idempotency.h"

#include <errno.h>
#include <string.h>

#define SLICE_NS UINT64_C(10000000) /* of a turn, for one request's work */

#define A ROUTE_ADMIN
#define B ROUTE_BOTH
#define D ROUTE_DEVICE

const struct route route_table[] = {
#define ROUTE(method, path, right, port, flags, name, handle)                  \
	{ METHOD_##method, path, RIGHT_##right, port, flags, name, handle },
#include "mgmt-server/api/routes.def"
#undef ROUTE
};
const size_t route_count = ARRAY_SIZE(route_table);

/* Segment by segment; a parameter takes one that is not empty. */
static bool match_path_pattern(struct request *rq, const char *pattern,
			       char *path)
{
	unsigned int n = 0;

	memset(rq->param, 0, sizeof(rq->param));
	while (*pattern && *path) {
		size_t want = strcspn(pattern + 1, "/");
		size_t have = strcspn(path + 1, "/");

		if (*pattern != '/' || *path != '/' || have == 0)
			return false;
		if (pattern[1] == '{')
			rq->param[n++] = path + 1;
		else if (want != have ||
			 memcmp(pattern + 1, path + 1, want) != 0)
			return false;
		pattern += 1 + want;
		path += 1 + have;
	}
	return !*pattern && !*path;
}

static void terminate_path_params(struct request *rq)
{
	for (unsigned int i = 0; i < REQUEST_PARAMS && rq->param[i]; i++) {
		size_t at = (size_t)(rq->param[i] - rq->params);

		rq->params[at + strcspn(rq->param[i], "/")] = '\0';
	}
}

int route_find(struct request *rq, enum route_port port, struct err *e)
{
	bool other = false;

	for (size_t i = 0; i < route_count; i++) {
		const struct route *rt = &route_table[i];

		if (!(rt->port & port))
			continue;
		memcpy(rq->params, rq->path, sizeof(rq->params));
		if (!match_path_pattern(rq, rt->path, rq->params))
			continue;
		if (rt->method != rq->method) {
			other = true;
			continue;
		}
		rq->route = rt;
		terminate_path_params(rq);
		return 0;
	}
	return other ? err_set(e, PROBLEM_METHOD, "%s is not for %s",
			       request_method_name(rq->method), rq->path)
		     : err_set(e, PROBLEM_NOT_FOUND, "there is no %.200s",
			       rq->path);
}

static int check_caller_rights(const struct request *rq, struct err *e)
{
	enum right right = rq->route->right;

	if (rq->is_expired && !(rq->route->flags & ROUTE_LAPSED))
		return err_set(e, PROBLEM_FORBIDDEN,
			       "the certificate has expired: renew it");
	if (right == RIGHT_PUBLIC)
		return 0;
	/* The device port knows its callers by certificate. */
	if (rq->device_port)
		return rq->device[0]
			       ? 0
			       : err_set(e, PROBLEM_FORBIDDEN, "no device");
	if (!rq->caller.id[0])
		return err_set(e, PROBLEM_UNAUTHORIZED,
			       rq->is_refused
				       ? "the token is unknown or has expired"
				       : "no token was sent");
	if (!(rq->caller.rights & right))
		return err_set(e, PROBLEM_FORBIDDEN,
			       "role %s has not the right '%s'",
			       rq->caller.role, token_get_right_name(right));
	/* A caller who sees some groups only may not hand out more. */
	if (right == RIGHT_ADMIN && json_array_size(rq->caller.groups) > 0)
		return err_set(e, PROBLEM_FORBIDDEN,
			       "the token is for some groups only");
	return 0;
}

static int audit_request(struct request *rq, const char *outcome, struct err *e)
{
	struct audit_log_entry en = {
		.who = rq->caller.name[0] ? rq->caller.name
		       : rq->device[0]	  ? rq->device
					  : "-",
		.from = rq->from,
		.action = rq->route ? rq->route->name : "request",
		.object = rq->audit.object[0] ? rq->audit.object : rq->path,
		.device = rq->audit.device[0] ? rq->audit.device : NULL,
		.group = rq->audit.group[0] ? rq->audit.group : NULL,
		.outcome = outcome,
		.before = rq->audit.before,
		.after = rq->audit.after,
	};

	return turn_append_audit(rq->context->turn, &en, NULL, e);
}

/* What was refused leaves a trace; where even that fails, the log has it. */
static void refuse_request(struct request *rq, int r, const struct err *why)
{
	static const char *const silent[] = { "rate-limited", "not-found",
					      "overloaded", "bad-filter" };
	const char *code = request_problem_code(r, why);
	bool is_read = rq->method == METHOD_GET;
	struct err e;

	if (rq->answer.status != 0)
		rq->answer.status = 0;
	if (-r == EIO || -r == ENOMEM || strcmp(code, "internal") == 0)
		log_error("%s %s: %s", request_method_name(rq->method),
			  rq->path, why->text);
	request_answer_problem(rq, r, why);
	for (size_t i = 0; is_read && i < ARRAY_SIZE(silent); i++)
		if (strcmp(code, silent[i]) == 0)
			return;
	if (strcmp(code, "rate-limited") == 0)
		return;
	json_decref(rq->audit.after);
	rq->audit.after = json_pack("{s:s}", "text", why->text);
	if (audit_request(rq, code, &e) < 0)
		log_error("audit of a refusal: %s", e.text);
}

/* For requests with a key, on routes that honour it. */
static struct idempotency_key get_idempotency_key(const struct request *rq)
{
	return (struct idempotency_key){ .token = rq->caller.id,
					 .key = rq->idempotency_key,
					 .path = rq->path,
					 .body = rq->body ? rq->body : "",
					 .len = rq->len };
}

/* 1: the answer is the kept one; 0: go on. */
static int replay_answer(struct request *rq, struct err *e)
{
	const struct idempotency_key k = get_idempotency_key(rq);
	char *text = NULL;
	int status = 0;
	int r = idempotency_find_answer(rq->db, &k, &status, &text, e);

	if (r <= 0)
		return r;
	r = request_answer_text(rq, status, "application/json", text, e);
	return r < 0 ? r : 1;
}

static int store_answer(const struct request *rq, struct err *e)
{
	const struct idempotency_key k = get_idempotency_key(rq);
	const char *text = rq->answer.body ? rq->answer.body : "";

	return idempotency_store_answer(rq->db, &k, rq->answer.status, text, e);
}

/*
 * A read leaves nothing; a write is done whole, with its entry, or not. What is
 * held (1) has written nothing yet.
 */
static int run_write_request(struct request *rq, struct err *e)
{
	bool is_once =
		rq->idempotency_key[0] && (rq->route->flags & ROUTE_ONCE);
	struct turn_savepoint mark;
	int r = turn_begin_savepoint(rq->context->turn, &mark, e);

	if (r < 0)
		return r;
	r = is_once ? replay_answer(rq, e) : 0;
	if (r > 0)
		return turn_release_savepoint(rq->context->turn, e);
	if (r == 0)
		r = rq->route->handle(rq, e);
	if (r == 0 && !(rq->route->flags & ROUTE_QUIET))
		r = audit_request(rq, NULL, e);
	if (r == 0 && is_once)
		r = store_answer(rq, e);
	if (r != 0) {
		turn_rollback_savepoint(rq->context->turn, &mark);
		return r;
	}
	return turn_release_savepoint(rq->context->turn, e);
}

bool route_run_request(struct request *rq)
{
	struct err e = { 0 };
	int r;

	rq->slice_end = clock_mono_ns() + SLICE_NS;
	if (rq->method == METHOD_GET)
		r = rq->route->handle(rq, &e);
	else
		r = run_write_request(rq, &e);
	rq->is_working = r == REQUEST_AGAIN;
	if (r > 0)
		return false;
	if (r < 0)
		refuse_request(rq, r, &e);
	rq->context->turn->metrics->requests++;
	rq->context->turn->metrics->refused += rq->answer.status / 100 == 4;
	rq->context->turn->metrics->failed += rq->answer.status / 100 == 5;
	return true;
}

static int check_request_rate(struct request *rq, struct err *e)
{
	char key[96];
	double rate;

	if (rq->device_port)
		return 0;
	snprintf(key, sizeof(key), "%s",
		 rq->caller.id[0] ? rq->caller.id : rq->from);
	rate = (double)(rq->caller.id[0] ? rq->context->conf->token_rate
					 : rq->context->conf->address_rate);
	if (ratelimit_allow(rq->context->limit, key, rate, 2 * rate,
			    clock_mono_ns()))
		return 0;
	rq->context->turn->metrics->limited++;
	return err_set(e, PROBLEM_LIMITED, "too many requests");
}

int route_check_request(struct request *rq)
{
	struct err e = { 0 };
	int r = check_request_rate(rq, &e);

	if (r == 0 && !rq->route)
		r = route_find(rq, rq->device_port ? ROUTE_DEVICE : ROUTE_ADMIN,
			       &e);
	if (r == 0)
		r = check_caller_rights(rq, &e);
	if (r == 0)
		r = arguments_check(rq, rq->route->name, &e);
	if (r < 0) {
		refuse_request(rq, r, &e);
		rq->context->turn->metrics->requests++;
		rq->context->turn->metrics->refused++;
	}
	return r;
}

void route_print_table(void)
{
	static const char *const ports[] = { "", "admin", "device", "both" };

	for (size_t i = 0; i < route_count; i++) {
		const struct route *rt = &route_table[i];

		printf("%s %s %s %s %s %s\n", request_method_name(rt->method),
		       rt->path, token_get_right_name(rt->right),
		       ports[rt->port], rt->name,
		       arguments_get_names(rt->name));
	}
}
