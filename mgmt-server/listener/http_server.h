/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP: fills a request from libwebsockets, takes its body within bounds, and
 * sends the answer when its turn is committed.
 */
#ifndef MGMT_SERVER_LISTENER_HTTP_SERVER_H
#define MGMT_SERVER_LISTENER_HTTP_SERVER_H

#include "mgmt-server/listener/listener_context.h"

struct err;

int http_server_callback(struct lws *wsi, enum lws_callback_reasons reason,
			 void *user, void *in, size_t len);
/* Ends a turn: runs held requests again; then, after the commit, lets answers
 * go, or turns them into problems if it failed. */
void http_server_run_held(struct listener_context *ed, bool always);
void http_server_release_answers(struct listener_context *ed, int r,
				 const struct err *why);

#endif
