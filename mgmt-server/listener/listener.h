/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outermost part: libwebsockets' context, both listening sockets, the loop.
 * http_server.c and websocket.c are its protocols; nothing else of the server
 * knows sockets.
 */
#ifndef MGMT_SERVER_LISTENER_LISTENER_H
#define MGMT_SERVER_LISTENER_LISTENER_H

#include <libwebsockets.h>
#include <stdbool.h>

#include "mgmt-server/core/server.h"
#include "mgmt-server/listener/client_cert.h"
#include "mgmt-server/listener/connection_limit.h"
#include "mgmt-server/store/token.h"

struct device_session;
struct err;
struct http_exchange;
struct event_subscriber;

#define LISTENER_PIECE 16384 /* what is written at once */

struct listener_context {
	struct server *server;
	struct lws_context *lws;
	struct lws_vhost *admin, *device;
	uint64_t open[2]; /* connections: administrators', devices' */
	struct connection_limit_counts addresses;
	struct http_exchange *fresh;   /* answered in this turn */
	struct http_exchange *held;    /* waiting for a change */
	struct http_exchange *sending; /* with more than one piece */
	uint64_t held_seen;   /* server->actions_changed as they saw it */
	uint64_t tokens_seen; /* server->tokens_changed, likewise */
	struct event_subscriber *listeners;
	struct device_session *waiting; /* with a message, for the database */
	lws_sorted_usec_list_t tick, work, slice, retry;
	int64_t renewed; /* when the certificate was looked at */
	int signals;	 /* signalfd */
	bool stop;
	/* One loop, one buffer: nobody keeps it over a call. */
	uint8_t scratch[LWS_PRE + LISTENER_PIECE];
};

/* User of a vhost. */
struct listener_port {
	struct listener_context *edge;
	bool is_device;
};

/* Listens, writes the ports to `run_file`, and runs until SIGTERM or SIGINT. */
int listener_run(struct server *s, const char *run_file, bool debug,
		 struct err *e);

/* The listener and port of a connection. */
static inline const struct listener_port *listener_get_port(struct lws *wsi)
{
	return lws_vhost_user(lws_get_vhost(wsi));
}

/* ---- http_server.c */
struct http_session {
	struct http_exchange *x;
};
int http_server_callback(struct lws *wsi, enum lws_callback_reasons reason,
			 void *user, void *in, size_t len);
/* Ends a turn: runs held requests again; then, after the commit, lets answers
 * go, or turns them into problems if it failed. */
void http_server_run_held(struct listener_context *ed, bool always);
void http_server_release_answers(struct listener_context *ed, int r,
				 const struct err *why);
/* Cuts those who send more while they have not taken their answer. */
void reply_limit_early_senders(struct listener_context *ed);
/* The device of the client's certificate; false: none that may connect. */
bool http_server_get_device(struct listener_context *ed, struct lws *wsi,
			    struct client_cert *ret);
/* The token's owner. */
int http_server_authenticate(struct listener_context *ed, struct lws *wsi,
			     struct token *ret, struct err *e);

/* ---- websocket.c */
int websocket_device_callback(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len);
int websocket_events_callback(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len);
/* May this upgrade go on? 0 yes, >0 refused with an answer, <0 hang up. */
int websocket_confirm_upgrade(struct listener_context *ed, struct lws *wsi,
			      bool is_device);
extern const size_t websocket_device_size, websocket_events_size;
/* Ends those whose token is gone or expired. */
void websocket_close_expired_subscribers(struct listener_context *ed);
/* For struct server_callbacks. */
void websocket_on_device_ready(void *ctx, void *connection, bool close);
void websocket_on_device_replaced(void *ctx, void *connection);
void websocket_queue_event(void *ctx, const char *group, const char *text);

#endif
