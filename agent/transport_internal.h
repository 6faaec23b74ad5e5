/* SPDX-License-Identifier: Apache-2.0 */
/* What transport.c (loop, peers, WebSocket) and transport_get.c (GETs) share.
 */
#ifndef AGENT_TRANSPORT_INTERNAL_H
#define AGENT_TRANSPORT_INTERNAL_H

#include "agent/transport.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <sys/queue.h>

#define TRANSPORT_PROTOCOL "cells-peer"
#define TRANSPORT_SOON 1 /* microseconds */

/* Vhosts of a peer that was freed, until their connections have ended too. */
struct retired_vhosts {
	LIST_ENTRY(retired_vhosts) next;
	struct lws_vhost *vhost[TRANSPORT_DOWNLOADS_MAX];
	lws_sorted_usec_list_t due;
};

struct transport {
	struct lws_context *context;
	struct lws_vhost *loop;
	LIST_HEAD(, retired_vhosts) graves;
};

/*
 * What a connection belongs to begins with this: lws may call the protocol of
 * another kind of connection than the one that it was made with.
 */
struct connection_owner {
	int (*on_event)(void *self, struct lws *wsi,
			enum lws_callback_reasons reason, void *in, size_t len);
};

struct out {
	STAILQ_ENTRY(out) next;
	size_t len;
	unsigned char bytes[]; /* LWS_PRE, then the message */
};

/* A lane's connection between two GETs, which lws sends the next one on. */
struct idle_connection {
	struct connection_owner owner;
	struct lws *wsi; /* NULL: none */
};

struct transport_get {
	struct connection_owner owner;
	struct transport_peer *peer;
	unsigned int lane;
	struct lws *wsi; /* NULL: gone */
	struct transport_get_ops ops;
	void *user;
	uint64_t offset, since; /* since: bytes since the clock was started */
	int64_t until, left;	/* us: when the clock is out; left of it then */
	bool has_data, is_over, is_last; /* on this connection */
	struct transport_end end;
	lws_sorted_usec_list_t over;
};

struct transport_peer {
	struct connection_owner owner;
	struct transport *wire;
	char *host;
	char address[INET6_ADDRSTRLEN]; /* "": not known */
	uint16_t port;
	unsigned int lanes;
	struct idle_connection lane[TRANSPORT_DOWNLOADS_MAX];
	/* One a download; open_peer_vhost() makes it. */
	struct lws_vhost *vhost[TRANSPORT_DOWNLOADS_MAX];
	struct transport_ops ops;
	void *user;

	struct lws *wsi; /* the WebSocket; NULL: none */
	bool is_open, is_closing, is_over;
	STAILQ_HEAD(, out) out;
	char *in; /* the message that is coming in */
	size_t in_len, message_max;
	struct transport_end end;
	lws_sorted_usec_list_t over;

	struct transport_get *get[TRANSPORT_DOWNLOADS_MAX];
	bool is_paused;
};

/* A lane's connection ended. */
int transport_get_on_idle(void *self, struct lws *wsi,
			  enum lws_callback_reasons reason, void *in,
			  size_t len);

/* Status and Retry-After of an HTTP answer. */
void transport_read_status(struct lws *wsi, struct transport_end *end);

#endif
