/* SPDX-License-Identifier: Apache-2.0 */
/* Repeats requests after temporary failures. */
#ifndef LIB_HTTP_RETRY_H
#define LIB_HTTP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct http;
struct http_answer;
struct http_request;

struct http_retry {
	unsigned int tries;    /* at most */
	unsigned int wait_max; /* seconds of Retry-After that are waited for */
	/*
	 * True: again only after a status 429 or 503 that says when, within
	 * wait_max. Else also after 502, 504 and where no answer came; after
	 * Retry-After if there is one, else after first_wait nanoseconds, which
	 * double from try to try.
	 */
	bool only_announced;
	uint64_t first_wait;
	/* Sleeps so many nanoseconds; not 0: give up. NULL: just sleeps. */
	int (*wait)(uint64_t ns, struct err *e);
};

/* Like http_call(); returns the last answer or failure. */
int http_retry_call(struct http *h, const struct http_request *rq,
		    const struct http_retry *policy, struct http_answer *ret,
		    struct err *e);

#endif
