/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GETs from one server, several at once: libcurl's multi interface on the
 * agent's event loop. Each lane carries one GET at a time; connections are kept
 * between them.
 *
 * Callbacks come from the event loop. They may start other GETs, and may not
 * free the http_multi that they come from.
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

/* Why a GET ended. */
struct http_multi_end {
	int status;		  /* of HTTP; 0: none came */
	unsigned int retry_after; /* seconds; 0: none was given */
	char why[160];		  /* "": as it should */
};

struct http_multi_ops {
	/* The next bytes; `from_start`: these begin at 0 although an offset was
	 * asked for. Not 0: stop. */
	int (*data)(void *user, bool from_start, const void *data, size_t len);
	/* It is over; good only with status 200 or 206 and no `why`. */
	void (*done)(void *user, const struct http_multi_end *end);
};

/* Copies what it is given; the target has a CA, and its timeout and proxy are
 * not used. */
int http_multi_new(sd_event *event, const struct http_target *target,
		   struct http_multi **ret, struct err *e);
/* GETs under way end without a callback. */
void http_multi_free(struct http_multi *m);

/* Where the host is, for connections from now on: a numeric address. Without it
 * libcurl looks the name up. */
void http_multi_set_address(struct http_multi *m, const char *address);
/* That address, or the host. */
const char *http_multi_get_address(const struct http_multi *m);

/* From byte `offset` on. -EBUSY: the lane has one; -ENOMEM, -EINVAL. */
int http_multi_get(struct http_multi *m, unsigned int lane, const char *path,
		   uint64_t offset, const struct http_multi_ops *ops,
		   void *user);

/* No data() until http_multi_resume(); for a speed limit. */
void http_multi_pause(struct http_multi *m);
void http_multi_resume(struct http_multi *m);

static inline void http_multi_freep(struct http_multi **m)
{
	http_multi_free(*m);
}

#endif
