/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Concurrent GET requests to one server, with libcurl's multi interface on the
 * agent's event loop. Each lane carries one request at a time. Connections are
 * kept open between requests.
 *
 * Callbacks come from the event loop. They can start further requests and must
 * not free the http_multi that calls them.
 */
#ifndef AGENT_HTTP_MULTI_H
#define AGENT_HTTP_MULTI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define HTTP_MULTI_LANES_MAX 8

struct err;
struct http_multi;
struct http_target;

/* The result of a request. */
struct http_multi_end {
	int status;		  /* of HTTP; 0: none came */
	unsigned int retry_after; /* seconds; 0: none was given */
	char why[160];		  /* "": as it should */
};

struct http_multi_ops {
	/*
	 * The next bytes. With `from_start` they begin at offset 0, although
	 * another offset was requested. A non-zero return value stops the
	 * request.
	 */
	int (*data)(void *user, bool from_start, const void *data, size_t len);
	/*
	 * The request has ended. It succeeded if the status is 200 or 206 and
	 * `why` is empty.
	 */
	void (*done)(void *user, const struct http_multi_end *end);
};

/*
 * Copies its arguments. The target must have a CA; its timeout and proxy are
 * ignored.
 */
int http_multi_new(sd_event *event, const struct http_target *target,
		   struct http_multi **ret, struct err *e);
/* Ends requests in progress without a callback. */
void http_multi_free(struct http_multi *m);

/*
 * Sets the numeric address of the host for new connections. Without it, libcurl
 * looks up the name.
 */
void http_multi_set_address(struct http_multi *m, const char *address);
/* Returns that address, or the host name. */
const char *http_multi_get_address(const struct http_multi *m);

/*
 * Requests the bytes from `offset` on. -EBUSY: the lane is in use; -ENOMEM,
 * -EINVAL.
 */
int http_multi_get(struct http_multi *m, unsigned int lane, const char *path,
		   uint64_t offset, const struct http_multi_ops *ops,
		   void *user);

/* Suspends data() until http_multi_resume(), for a speed limit. */
void http_multi_pause(struct http_multi *m);
void http_multi_resume(struct http_multi *m);

static inline void http_multi_freep(struct http_multi **m)
{
	http_multi_free(*m);
}

#endif
