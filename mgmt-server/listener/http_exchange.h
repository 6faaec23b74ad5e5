/* SPDX-License-Identifier: Apache-2.0 */
/* One request on a connection and its answer: http_server.c takes the first,
 * reply.c sends the second. */
#ifndef MGMT_SERVER_LISTENER_HTTP_EXCHANGE_H
#define MGMT_SERVER_LISTENER_HTTP_EXCHANGE_H

#include "mgmt-server/api/request.h"
#include "mgmt-server/listener/listener_context.h"

struct blob_sink;

struct http_exchange {
	struct listener_context *edge;
	struct lws *wsi;
	struct request rq;
	struct http_exchange *next; /* of fresh or held */
	struct blob_sink *sink;
	uint64_t expect, got; /* of the body */
	uint64_t turn;	      /* in which it was answered */
	uint64_t sent;	      /* of the answer's body */
	char *piece;	      /* of a streamed answer */
	size_t piece_len, piece_sent;
	bool answered, headers_sent, in_fresh, in_held, streamed;
	bool is_sent;  /* but for what libwebsockets still has of it */
	bool is_alone; /* flow control keeps what is behind it unread */
	struct http_exchange *next_sending, **at_sending; /* of edge->sending */
};

/* Of a connection. */
struct http_session {
	struct http_exchange *x;
};

/* Takes it out of the listener's lists as well; takes NULL. */
void http_exchange_free(struct http_exchange *x);

/* Takes it out of a list of those that are chained by `next`. */
void http_exchange_unlink(struct http_exchange **list,
			  const struct http_exchange *x);
/* Its answer has more than one piece. */
void http_exchange_track_sending(struct http_exchange *x);

/* What has come on the connection, in bytes; it never is the same again once
 * more was read. */
uintptr_t http_exchange_bytes_read(struct lws *wsi);

/*
 * To end the connection out of a callback: -1. Its input is stopped before, for
 * libwebsockets 4.1 would go round and round over bytes that it has kept and
 * that nobody takes any more (lws_service_do_ripe_rxflow()).
 */
int http_exchange_hang_up(struct lws *wsi);

#endif
