/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_problem.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/json.h"

#include <errno.h>

#define DETAIL_MAX 300 /* bytes of it that are passed on */

static int get_status_errno(int status)
{
	switch (status) {
	case 401:
	case 403:
		return EACCES;
	case 404:
		return ENOENT;
	case 409:
		return EEXIST;
	default:
		return EIO;
	}
}

int http_problem_set(const struct http_answer *a, const char *what,
		     struct err *e)
{
	const char *detail = NULL, *title = NULL, *code = NULL;
	auto_json json_t *j = NULL;
	enum reason reason;
	struct err ignored;

	if (a->body &&
	    json_parse(a->body, a->body_len, what, &j, &ignored) == 0) {
		detail = json_string_value(json_object_get(j, "detail"));
		title = json_string_value(json_object_get(j, "title"));
		code = json_string_value(json_object_get(j, "code"));
	}
	if (!detail)
		detail = title;
	if (!detail)
		return err_set(e, get_status_errno(a->status),
			       "%s: HTTP status %d", what, a->status);
	err_set(e, EIO, "%s: %.*s (%s%sHTTP %d)", what, DETAIL_MAX, detail,
		code ? code : "", code ? ", " : "", a->status);
	reason = code ? reason_from_code(code) : REASON_NONE;
	e->reason = reason;
	return reason ? -reason_errno(reason) : -get_status_errno(a->status);
}
