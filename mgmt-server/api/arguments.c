/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/arguments.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "mgmt-server/api/request.h"

#include <stdbool.h>
#include <string.h>

static const struct {
	const char *route, *names;
} table[] = {
#define ARGUMENTS(route, names) { route, names },
#include "mgmt-server/api/arguments.def"
#undef ARGUMENTS
};

const char *arguments_get_names(const char *route)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].route, route) == 0)
			return table[i].names;
	return "";
}

static bool has_argument_name(const char *names, const char *arg, size_t len)
{
	while (*names) {
		size_t n = strcspn(names, " ");

		if (n == len && memcmp(names, arg, n) == 0)
			return true;
		names += n + strspn(names + n, " ");
	}
	return false;
}

static int check_query_argument(const struct request *rq, unsigned int i,
				const char *names, struct err *e)
{
	const char *arg = rq->arg[i];
	int len = (int)strcspn(arg, "=");

	if (!has_argument_name(names, arg, (size_t)len))
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "argument '%.*s' is not for this path%s%s",
			       len < 64 ? len : 64, arg,
			       *names ? ", only: " : ", which has none", names);
	if (arg[len] != '=')
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "argument '%s' has no value", arg);
	while (i-- > 0)
		if (strncmp(rq->arg[i], arg, (size_t)len + 1) == 0)
			return err_set(e, PROBLEM_BAD_REQUEST,
				       "duplicate argument '%.*s'", len, arg);
	return 0;
}

int arguments_check(const struct request *rq, const char *route, struct err *e)
{
	const char *names = arguments_get_names(route);
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < rq->n_args; i++)
		r = check_query_argument(rq, i, names, e);
	return r;
}
