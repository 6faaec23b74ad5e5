/* SPDX-License-Identifier: Apache-2.0 */
/* The query arguments of each route, written down once: arguments.def. */
#ifndef MGMT_SERVER_API_ARGUMENTS_H
#define MGMT_SERVER_API_ARGUMENTS_H

struct err;
struct request;
struct route;

/* The names that the route takes, with spaces between; "": none. */
const char *arguments_get_names(const struct route *rt);

/* Each argument is one that the route takes, has a value, and stands there
 * once. -PROBLEM_BAD_REQUEST names the one that does not. */
int arguments_check(const struct request *rq, struct err *e);

#endif
