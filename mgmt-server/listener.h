/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer edge: libwebsockets' context, both listeners and the loop.
 * http_server.c and websocket.c are its protocols; nothing else of the server
 * knows sockets.
 */
#ifndef MGMT_LISTENER_H
#define MGMT_LISTENER_H

#include <libwebsockets.h>
#include <stdbool.h>

#include "mgmt-server/client_cert.h"
#include "mgmt-server/connection_limit.h"
#include "mgmt-server/server.h"
#include "mgmt-server/token.h"

struct device_session;
struct err;
struct exchange;
struct listener;

#define EDGE_PIECE 16384 /* what is written at once */

struct edge {
	struct server *server;
	struct lws_context *lws;
	struct lws_vhost *admin, *device;
	uint64_t open[2]; /* connections: administrators', devices' */
	struct connection_count addresses;
	struct exchange *fresh;	  /* answered in this turn */
	struct exchange *held;	  /* waiting for a change */
	struct exchange *sending; /* with more than one piece */
	uint64_t held_seen;	  /* server->actions_changed as they saw it */
	uint64_t tokens_seen;	  /* server->tokens_changed, likewise */
	struct listener *listeners;
	struct device_session *waiting; /* with a message, for the database */
	lws_sorted_usec_list_t tick, work, slice, retry;
	int64_t renewed; /* when the certificate was looked at */
	int signals;	 /* signalfd */
	bool stop;
	/* One loop, one buffer: nobody keeps it over a call. */
	uint8_t scratch[LWS_PRE + EDGE_PIECE];
};

/* User of a vhost. */
struct edge_port {
	struct edge *edge;
	bool is_device;
};

/* Listens, writes the ports to `run_file`, and runs until SIGTERM or SIGINT. */
int edge_run(struct server *s, const char *run_file, bool debug, struct err *e);

/* The edge and port of a connection. */
static inline const struct edge_port *edge_port_of(struct lws *wsi)
{
	return lws_vhost_user(lws_get_vhost(wsi));
}

/* ---- http_server.c */
struct rest_session {
	struct exchange *x;
};
int rest_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
		  void *in, size_t len);
/* Ends a turn: runs held requests again; then, after the commit, lets answers
 * go, or turns them into problems if it failed. */
void rest_run_held(struct edge *ed, bool always);
void rest_release(struct edge *ed, int r, const struct err *why);
/* Cuts those who send more while they have not taken their answer. */
void rest_check_sending(struct edge *ed);
/* The peer's address; ret has 64 bytes. */
void rest_peer(struct lws *wsi, char *ret);
/* The device of the client's certificate; false: none that may connect. */
bool rest_device(struct edge *ed, struct lws *wsi, struct clientcert *ret);
/* The token's owner. */
int rest_bearer(struct edge *ed, struct lws *wsi, struct bearer *ret,
		struct err *e);

/* ---- websocket.c */
int wsedge_device_callback(struct lws *wsi, enum lws_callback_reasons reason,
			   void *user, void *in, size_t len);
int wsedge_events_callback(struct lws *wsi, enum lws_callback_reasons reason,
			   void *user, void *in, size_t len);
/* May this upgrade go on? 0 yes, >0 refused with an answer, <0 hang up. */
int wsedge_confirm(struct edge *ed, struct lws *wsi, bool is_device);
extern const size_t wsedge_device_size, wsedge_events_size;
/* Ends those whose token is gone or expired. */
void wsedge_check_listeners(struct edge *ed);
/* For struct server_edge. */
void wsedge_device_ready(void *ctx, void *connection, bool close);
void wsedge_device_replaced(void *ctx, void *connection);
void wsedge_event(void *ctx, const char *group, const char *text);

#endif
