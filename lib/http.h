/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTPS client for short requests, for cellsadm, cells-image and the agent's
 * enrollment. TLS is always on. The only trust anchor is the CA that the caller
 * names by certificate or by digest. Redirects are not followed.
 */
#ifndef LIB_HTTP_H
#define LIB_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/http_target.h"

struct err;
struct http;

struct http_request {
	const char *method, *path; /* path with its query, escaped */
	const char *content_type;  /* NULL: application/json */
	const void *body;
	size_t body_len;
	const char *const
		*headers;  /* "Name: value" lines, NULL ends; may be NULL */
	size_t answer_max; /* bytes; 0: 16 MiB */
};

struct http_answer {
	int status;
	char content_type[64], etag[80];
	unsigned int retry_after; /* seconds, 0: none was given */
	char *body;		  /* NUL behind it; http_answer_fini() frees */
	size_t body_len;
};

/* Copies its arguments. The connection is kept open between requests. */
int http_new(const struct http_target *server, struct http **ret,
	     struct err *e);
void http_free(struct http *h);

/*
 * Sends the request and waits. Any HTTP status is success (0); the caller then
 * ends *ret. -ETIMEDOUT: no progress; -EFBIG: the answer is longer than
 * answer_max; -EKEYREJECTED: the CA is another one; -ECONNRESET: the connection
 * was interrupted. For errors of connecting, see http_handle_explain().
 */
int http_call(struct http *h, const struct http_request *rq,
	      struct http_answer *ret, struct err *e);
void http_answer_fini(struct http_answer *a);

static inline void http_freep(struct http **h)
{
	http_free(*h);
}

#endif
