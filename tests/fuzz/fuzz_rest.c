/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request without its sockets: "METHOD PATH[?ARG&ARG]" in the first line, the
 * body behind it; by somebody who may do all. What it wrote is undone.
 */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/api/route.h"
#include "mgmt-server/server.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/office.h"

#include <string.h>

static int take_line(struct request *rq, char *line)
{
	char *path = strchr(line, ' '), *args, *arg;

	if (!path)
		return -1;
	*path++ = '\0';
	args = strchr(path, '?');
	if (args)
		*args++ = '\0';
	while (args && (arg = strsep(&args, "&")) && rq->n_args < REQUEST_ARGS)
		rq->arg[rq->n_args++] = strdup(arg);
	if (strlen(path) >= sizeof(rq->path))
		return -1;
	strcpy(rq->path, path);
	for (rq->method = METHOD_GET; rq->method < METHOD_DELETE; rq->method++)
		if (strcmp(request_method_name(rq->method), line) == 0)
			break;
	return 0;
}

static void run(struct request *rq)
{
	struct turn *t = rq->context->turn;
	struct err e;

	strcpy(rq->from, "fuzz");
	strcpy(rq->caller.id, "1");
	strcpy(rq->caller.name, "fuzz");
	strcpy(rq->caller.role, "admin");
	rq->caller.rights = token_get_role_rights("admin");
	rq->caller.groups = json_array();
	/* A login's work is on purpose: once a minute is enough of it. */
	if (route_check_request(rq) == 0 && !(rq->route->flags & ROUTE_WS) &&
	    !(rq->route->flags & ROUTE_FILE) && route_run_request(rq) &&
	    rq->answer.status == 0)
		abort();
	if (t->writing) {
		db_rollback(t->db);
		t->writing = false;
		if (audit_log_load_tree(t->db, &t->tree, &e) < 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct server *s = office_server();
	const uint8_t *end = memchr(data, '\n', len);
	size_t n = end ? (size_t)(end - data) : len;
	auto_free char *line = strndup((const char *)data, n);
	struct request rq;

	request_init(&rq, &s->requests);
	if (line && take_line(&rq, line) == 0) {
		rq.len = end ? len - n - 1 : 0;
		rq.body = malloc(rq.len + 1);
		if (rq.body) {
			if (rq.len > 0)
				memcpy(rq.body, end + 1, rq.len);
			rq.body[rq.len] = '\0';
			run(&rq);
		}
	}
	request_fini(&rq);
	return 0;
}
