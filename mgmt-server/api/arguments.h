/* SPDX-License-Identifier: Apache-2.0 */
/* The query arguments of each route, written down once: arguments.def. */
#ifndef MGMT_SERVER_API_ARGUMENTS_H
#define MGMT_SERVER_API_ARGUMENTS_H

struct err;
struct request;

/* The names that the route of that operationId takes, with spaces between; "":
 * none. */
const char *arguments_get_names(const char *route);

/* Each argument is one that the route takes, has a value, and is given
 * once. -PROBLEM_BAD_REQUEST names the one that does not. */
int arguments_check(const struct request *rq, const char *route, struct err *e);

#endif
