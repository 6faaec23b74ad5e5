/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A libcurl handle for one server, and the reason of a failed transfer in
 * words. It is for lib/http.c and the agent's downloads; no other file knows
 * libcurl.
 */
#ifndef LIB_HTTP_HANDLE_H
#define LIB_HTTP_HANDLE_H

#include <curl/curl.h>
#include <stddef.h>

#define HTTP_HANDLE_HOST_MAX 120

struct err;
struct http_target;

/*
 * -EINVAL: the server, the CA or half of the client certificate is missing, or
 * the token has two lines.
 */
int http_handle_check_target(const struct http_target *t, struct err *e);

/*
 * Sets TLS 1.2 or newer, HTTP/2 if the server offers it, no redirects, and no
 * files of the user. `ca_pem` is the only trust anchor, one self-signed
 * certificate. If it is NULL, the server is not verified, so neither the token
 * nor the client certificate is set. Texts of `t` and `ca_pem` are borrowed
 * until the handle is freed. `why` has CURL_ERROR_SIZE bytes and is for
 * http_handle_explain(). Free the handle with curl_easy_cleanup().
 */
int http_handle_new(const struct http_target *t, const char *ca_pem, char *why,
		    CURL **ret, struct err *e);

/*
 * Sets "https://HOST:PORT" and the path, which libcurl does not change.
 * -EINVAL: the path is not valid.
 */
int http_handle_set_url(CURL *c, const struct http_target *t, const char *path,
			struct err *e);

/* Writes the reason and returns the (positive) errno for it. */
int http_handle_explain(CURL *c, const struct http_target *t, CURLcode code,
			const char *why, char *ret, size_t size);

static inline void http_handle_freep(CURL **c)
{
	curl_easy_cleanup(*c);
}

#endif
