/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libcurl handle for one server, and why a transfer on it failed, in words.
 * For lib/http.c and for the agent's downloads; nobody else knows libcurl.
 */
#ifndef LIB_HTTP_HANDLE_H
#define LIB_HTTP_HANDLE_H

#include <curl/curl.h>
#include <stddef.h>

#define HTTP_HANDLE_HOST_MAX 120

struct err;
struct http_target;

/* -EINVAL: no server, no CA, half a client certificate, a token of two lines.
 */
int http_handle_check_target(const struct http_target *t, struct err *e);

/*
 * TLS 1.2 or newer, HTTP/2 where the server offers it, no redirects, nothing
 * from files or folders of the user. `ca_pem` is the only trust anchor, one
 * self-signed certificate. NULL: the server is not verified, so neither the
 * token nor the client's certificate goes into the handle. Texts of `t` and
 * `ca_pem` are borrowed until the handle is freed; `why` has CURL_ERROR_SIZE
 * bytes and is for http_handle_explain(). Free with curl_easy_cleanup().
 */
int http_handle_new(const struct http_target *t, const char *ca_pem, char *why,
		    CURL **ret, struct err *e);

/*
 * "https://HOST:PORT" and the path, which is not changed on its way. -EINVAL:
 * the path is not usable.
 */
int http_handle_set_url(CURL *c, const struct http_target *t, const char *path,
			struct err *e);

/* Writes the reason, and returns the (positive) errno for it. */
int http_handle_explain(CURL *c, const struct http_target *t, CURLcode code,
			const char *why, char *ret, size_t size);

static inline void http_handle_freep(CURL **c)
{
	curl_easy_cleanup(*c);
}

#endif
