/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Converts an error answer of a server, problem+json (RFC 9457), to a struct
 * err.
 */
#ifndef LIB_HTTP_PROBLEM_H
#define LIB_HTTP_PROBLEM_H

struct err;
struct http_answer;

/*
 * "what: detail (code, HTTP 403)", or "what: HTTP status 502" where the answer
 * holds no problem. Sets the reason if the code is one of the contract, and
 * returns -reason_errno() of it; else -EACCES for 401 and 403, -ENOENT for 404,
 * -EEXIST for 409, -EIO.
 */
int http_problem_set(const struct http_answer *a, const char *what,
		     struct err *e);

#endif
