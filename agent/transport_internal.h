/* SPDX-License-Identifier: Apache-2.0 */
/* What transport.c (loop, peers, WebSocket) and download.c (GETs) share. */
#ifndef AGENT_TRANSPORT_INTERNAL_H
#define AGENT_TRANSPORT_INTERNAL_H

#include "agent/transport.h"

#include <libwebsockets.h>
#include <netinet/in.h>
#include <sys/queue.h>

#define WIRE_PROTOCOL "cells-peer"
#define WIRE_SOON 1 /* microseconds */

/* Vhosts of a peer that was freed, until their connections have ended too. */
struct grave {
	LIST_ENTRY(grave) next;
	struct lws_vhost *vhost[WIRE_LANES_MAX];
	lws_sorted_usec_list_t due;
};

struct wire {
	struct lws_context *context;
	struct lws_vhost *loop;
	LIST_HEAD(, grave) graves;
};

/*
 * What a connection belongs to begins with this: lws may call the protocol of
 * another kind of connection than the one that it was made with.
 */
struct owner {
	int (*on_event)(void *self, struct lws *wsi,
			enum lws_callback_reasons reason, void *in, size_t len);
};

struct out {
	STAILQ_ENTRY(out) next;
	size_t len;
	unsigned char bytes[]; /* LWS_PRE, then the message */
};

/* A lane's connection between two GETs, which lws sends the next one on. */
struct lane {
	struct owner owner;
	struct lws *wsi; /* NULL: none */
};

struct wire_get {
	struct owner owner;
	struct wire_peer *peer;
	unsigned int lane;
	struct lws *wsi; /* NULL: gone */
	struct wire_get_ops ops;
	void *user;
	uint64_t offset, since; /* since: bytes since the clock was started */
	int64_t until, left;	/* us: when the clock is out; left of it then */
	bool has_data, is_over, is_last; /* on this connection */
	struct wire_end end;
	lws_sorted_usec_list_t over;
};

struct wire_peer {
	struct owner owner;
	struct wire *wire;
	char *host;
	char address[INET6_ADDRSTRLEN]; /* "": not known */
	uint16_t port;
	unsigned int lanes;
	struct lane lane[WIRE_LANES_MAX];
	struct lws_vhost
		*vhost[WIRE_LANES_MAX]; /* one a lane; see open_lane() */
	struct wire_ops ops;
	void *user;

	struct lws *wsi; /* the WebSocket; NULL: none */
	bool is_open, is_closing, is_over;
	STAILQ_HEAD(, out) out;
	char *in; /* the message that is coming in */
	size_t in_len, message_max;
	struct wire_end end;
	lws_sorted_usec_list_t over;

	struct wire_get *get[WIRE_LANES_MAX];
	bool is_paused;
};

/* A lane's connection ended. */
int wire_on_lane(void *self, struct lws *wsi, enum lws_callback_reasons reason,
		 void *in, size_t len);

/* Status and Retry-After of an HTTP answer. */
void wire_take_status(struct lws *wsi, struct wire_end *end);

#endif
