/* SPDX-License-Identifier: Apache-2.0 */
/* An answer on its way out, piece by piece as the peer takes it. */
#ifndef MGMT_SERVER_LISTENER_REPLY_H
#define MGMT_SERVER_LISTENER_REPLY_H

struct http_session;
struct listener_context;
struct lws;

/* The connection can be written to: sends a piece of the answer. -1: hang up.
 */
int reply_handle_writable(struct lws *wsi, struct http_session *ss);
/* Cuts those who send more while they have not taken their answer. */
void reply_limit_early_senders(struct listener_context *ed);

#endif
