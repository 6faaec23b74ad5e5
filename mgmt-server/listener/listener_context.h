/* SPDX-License-Identifier: Apache-2.0 */
/* libwebsockets' context, and what its protocols share; private to this folder:
 * nothing else of the server knows sockets. */
#ifndef MGMT_SERVER_LISTENER_LISTENER_CONTEXT_H
#define MGMT_SERVER_LISTENER_LISTENER_CONTEXT_H

#include <libwebsockets.h>
#include <stdbool.h>

#include "mgmt-server/listener/connection_limit.h"

struct device_session;
struct event_subscriber;
struct http_exchange;
struct listener_service;

#define LISTENER_PIECE 16384 /* what is written at once */

struct listener_context {
	const struct listener_service *service;
	struct lws_context *lws;
	struct lws_vhost *admin, *device;
	struct connection_limit limit;
	struct http_exchange *fresh;   /* answered in this turn */
	struct http_exchange *held;    /* waiting for a change */
	struct http_exchange *sending; /* with more than one piece */
	uint64_t held_seen;   /* turn.commands_changed as they saw it */
	uint64_t tokens_seen; /* turn.tokens_changed, likewise */
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

/* The listener and port of a connection. */
static inline const struct listener_port *
listener_context_get_port(struct lws *wsi)
{
	return lws_vhost_user(lws_get_vhost(wsi));
}

#endif
