/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP at the edge: fills a request from libwebsockets, takes its body within
 * bounds, and sends the answer when its turn is committed.
 */
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/log.h"
#include "lib/text.h"
#include "mgmt-server/blob.h"
#include "mgmt-server/edge.h"
#include "mgmt-server/filter.h"
#include "mgmt-server/fleet.h"
#include "mgmt-server/request.h"
#include "mgmt-server/route.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define BODY_SMALL (64 * 1024)
#define BODY_MAX (4 * 1024 * 1024)
#define DISCARD_MAX (1024 * 1024) /* read on after an early refusal */
#define HELD_SECONDS 90
#define HEADER_ROOM 1024

struct exchange {
	struct edge *edge;
	struct lws *wsi;
	struct request rq;
	struct exchange *next; /* of fresh or held */
	struct blob_sink *sink;
	uint64_t expect, got; /* of the body */
	uint64_t turn;	      /* in which it was answered */
	uint64_t sent;	      /* of the answer's body */
	char *piece;	      /* of a streamed answer */
	size_t piece_len, piece_sent;
	bool answered, headers_sent, in_fresh, in_held, streamed;
};

static void unlink_from(struct exchange **list, const struct exchange *x)
{
	for (; *list; list = &(*list)->next)
		if (*list == x) {
			*list = x->next;
			return;
		}
}

static void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	if (x->in_fresh)
		unlink_from(&x->edge->fresh, x);
	if (x->in_held)
		unlink_from(&x->edge->held, x);
	blob_sink_free(x->sink);
	request_fini(&x->rq);
	free(x->piece);
	free(x);
}

void rest_peer(struct lws *wsi, char *ret)
{
	ret[0] = '\0';
	lws_get_peer_simple(wsi, ret, 64);
}

bool rest_device(struct edge *ed, struct lws *wsi, char ret[65])
{
	/* The name goes on behind the union's end. */
	union {
		union lws_tls_cert_info_results info;
		char room[sizeof(union lws_tls_cert_info_results) + 128];
	} cert;
	int len;

	memset(&cert, 0, sizeof(cert));
	ret[0] = '\0';
	if (lws_tls_peer_cert_info(wsi, LWS_TLS_CERT_INFO_COMMON_NAME,
				   &cert.info, 128) != 0)
		return false;
	len = cert.info.ns.len;
	if (len <= 0 || len > 64)
		return false;
	memcpy(ret,
	       (char *)&cert +
		       offsetof(union lws_tls_cert_info_results, ns.name),
	       (size_t)len);
	ret[len] = '\0';
	return fleet_is_active(ed->server, ret);
}

int rest_bearer(struct edge *ed, struct lws *wsi, struct bearer *ret,
		struct err *e)
{
	static const char scheme[] = "Bearer ";
	char text[160];

	if (lws_hdr_copy(wsi, text, sizeof(text),
			 WSI_TOKEN_HTTP_AUTHORIZATION) <= (int)strlen(scheme) ||
	    strncasecmp(text, scheme, strlen(scheme)) != 0)
		return err_set(e, PROBLEM_UNAUTHORIZED, "no token was sent");
	return bearer_find(ed->server, text + strlen(scheme), ret, e);
}

static void finish(struct exchange *x)
{
	x->answered = true;
	x->turn = x->edge->server->turn;
	x->next = x->edge->fresh;
	x->edge->fresh = x;
	x->in_fresh = true;
	/* Whoever does not read the answer is cut. */
	lws_set_timeout(x->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
			(int)x->edge->server->conf.stall_seconds);
}

static void finish_problem(struct exchange *x, int r, const struct err *e)
{
	request_problem(&x->rq, r, e);
	finish(x);
}

static void run(struct exchange *x)
{
	struct err e = { 0 };
	uint8_t digest[HASH_SIZE];
	int r = 0;

	if (x->sink && text_undigest(x->rq.param[0], digest) == 0)
		r = blob_sink_end(x->sink, digest, &e);
	if (r < 0) {
		finish_problem(x, r, &e);
	} else if (route_run(&x->rq)) {
		finish(x);
	} else {
		x->next = x->edge->held;
		x->edge->held = x;
		x->in_held = true;
		lws_set_timeout(x->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
				HELD_SECONDS);
	}
}

void rest_run_held(struct edge *ed, bool always)
{
	struct exchange *list;

	if (!always && ed->held_seen == ed->server->actions_changed)
		return;
	ed->held_seen = ed->server->actions_changed;
	list = ed->held;
	ed->held = NULL;
	while (list) {
		struct exchange *x = list;

		list = x->next;
		x->in_held = false;
		run(x);
	}
}

void rest_release(struct edge *ed, int r, const struct err *why)
{
	while (ed->fresh) {
		struct exchange *x = ed->fresh;

		ed->fresh = x->next;
		x->in_fresh = false;
		if (r < 0)
			request_problem(&x->rq, r, why);
		lws_callback_on_writable(x->wsi);
	}
}

/* ---- taking the request */
static const struct {
	int lws;
	enum method method;
} methods[] = {
	{ LWSHUMETH_GET, METHOD_GET },	   { LWSHUMETH_HEAD, METHOD_GET },
	{ LWSHUMETH_POST, METHOD_POST },   { LWSHUMETH_PUT, METHOD_PUT },
	{ LWSHUMETH_PATCH, METHOD_PATCH }, { LWSHUMETH_DELETE, METHOD_DELETE },
};

static int take_line(struct exchange *x, struct err *e)
{
	struct request *rq = &x->rq;
	char *uri = NULL;
	int len = 0, m = lws_http_get_uri_and_method(x->wsi, &uri, &len);

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (methods[i].lws != m)
			continue;
		rq->method = methods[i].method;
		rq->head = m == LWSHUMETH_HEAD;
		if (len <= 0 || len >= REQUEST_PATH_MAX)
			return err_set(e, PROBLEM_NOT_FOUND,
				       "the path is too "
				       "long");
		memcpy(rq->path, uri, (size_t)len);
		rq->path[len] = '\0';
		return 0;
	}
	return err_set(e, PROBLEM_METHOD, "the method is not for this server");
}

static int take_args(struct exchange *x, struct err *e)
{
	char text[FILTER_TEXT_MAX + 64];

	for (int i = 0; i < REQUEST_ARGS; i++) {
		int n = lws_hdr_copy_fragment(x->wsi, text, sizeof(text),
					      WSI_TOKEN_HTTP_URI_ARGS, i);

		if (n < 0)
			break;
		if (n == 0)
			continue;
		x->rq.arg[x->rq.n_args] = strdup(text);
		if (!x->rq.arg[x->rq.n_args])
			return err_oom(e, "take the arguments");
		x->rq.n_args++;
	}
	return 0;
}

static void take_headers(struct exchange *x)
{
	static const char once[] = "idempotency-key:";
	struct request *rq = &x->rq;

	if (lws_hdr_copy(x->wsi, rq->if_match, sizeof(rq->if_match),
			 WSI_TOKEN_HTTP_IF_MATCH) < 0)
		snprintf(rq->if_match, sizeof(rq->if_match),
			 "too long"); /* to be one of ours */
	if (lws_hdr_copy(x->wsi, rq->range, sizeof(rq->range),
			 WSI_TOKEN_HTTP_RANGE) <= 0)
		rq->range[0] = '\0';
	if (lws_hdr_custom_copy(x->wsi, rq->once_key, sizeof(rq->once_key),
				once, (int)strlen(once)) <= 0)
		rq->once_key[0] = '\0';
}

static int take_length(struct exchange *x, struct err *e)
{
	uint64_t max = x->rq.route->flags & ROUTE_FILE	  ? BLOB_MAX
		       : x->rq.route->flags & ROUTE_SMALL ? BODY_SMALL
							  : BODY_MAX;
	char text[24];
	int n = lws_hdr_copy(x->wsi, text, sizeof(text),
			     WSI_TOKEN_HTTP_CONTENT_LENGTH);

	if (lws_hdr_total_length(x->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return err_set(e, ELOOP, "send a Content-Length");
	if (n == 0)
		return 0;
	if (n < 0 || text_number(text, UINT64_MAX, &x->expect) < 0)
		return err_set(e, EINVAL, "Content-Length is no number");
	if (x->expect > max)
		return err_reason(e, REASON_TOO_LARGE,
				  "a body of %llu bytes: at most %llu",
				  (unsigned long long)x->expect,
				  (unsigned long long)max);
	return 0;
}

/* Everything that is known before the body; may answer already. */
static void begin(struct exchange *x)
{
	struct request *rq = &x->rq;
	struct err e = { 0 };
	int r;

	rest_peer(x->wsi, rq->from);
	take_headers(x);
	r = take_line(x, &e);
	if (r == 0)
		r = take_args(x, &e);
	if (r == 0 && !rq->device_port)
		rest_bearer(x->edge, x->wsi, &rq->caller, &e);
	if (r < 0) {
		rq->answer.close = true;
		finish_problem(x, r, &e);
		return;
	}
	if (route_admit(rq) < 0) {
		rq->answer.close = rq->method != METHOD_GET;
		finish(x);
		return;
	}
	r = take_length(x, &e);
	if (r == 0 && (rq->route->flags & ROUTE_WS))
		r = err_set(&e, PROBLEM_UNSUPPORTED, "open it as a WebSocket");
	if (r == 0 && (rq->route->flags & ROUTE_FILE))
		r = blob_sink_new(x->edge->server->blobs, &x->sink, &e);
	if (r < 0) {
		rq->answer.close = true;
		finish_problem(x, r, &e);
	} else if (x->expect == 0) {
		run(x);
	}
}

static int start(struct lws *wsi, struct rest_session *ss)
{
	const struct edge_port *port = edge_port_of(wsi);
	struct exchange *x = calloc(1, sizeof(*x));

	exchange_free(ss->x);
	ss->x = x;
	if (!x)
		return -1;
	x->edge = port->edge;
	x->wsi = wsi;
	request_init(&x->rq, port->edge->server);
	x->rq.device_port = port->is_device;
	/* Unknown and retired devices hear nothing. */
	if (port->is_device && !rest_device(port->edge, wsi, x->rq.device))
		return -1;
	begin(x);
	return 0;
}

static int take_body(struct exchange *x, const void *data, size_t len)
{
	struct request *rq = &x->rq;
	struct err e = { 0 };
	char *more;
	int r = 0;

	x->got += len;
	if (x->answered)
		return x->got > DISCARD_MAX ? -1 : 0;
	if (x->got > x->expect)
		return -1;
	if (x->sink) {
		r = blob_sink_add(x->sink, data, len, &e);
	} else {
		more = realloc(rq->body, rq->len + len + 1);
		if (!more) {
			r = err_oom(&e, "take the body");
		} else {
			rq->body = more;
			memcpy(rq->body + rq->len, data, len);
			rq->len += len;
			rq->body[rq->len] = '\0';
		}
	}
	if (r < 0) {
		rq->answer.close = true;
		finish_problem(x, r, &e);
	}
	return 0;
}

/* ---- sending the answer */
static bool has_body(const struct exchange *x)
{
	return !x->rq.head && x->rq.answer.status != 204;
}

static int put(struct lws *wsi, const char *name, const char *value,
	       uint8_t **p, uint8_t *end)
{
	return lws_add_http_header_by_name(wsi, (const uint8_t *)name,
					   (const uint8_t *)value,
					   (int)strlen(value), p, end);
}

static int put_optional(struct exchange *x, uint8_t **p, uint8_t *end)
{
	const struct answer *a = &x->rq.answer;
	char text[96];
	int r = 0;

	if (a->etag[0])
		r |= put(x->wsi, "etag:", a->etag, p, end);
	if (a->retry_after) {
		snprintf(text, sizeof(text), "%u", a->retry_after);
		r |= put(x->wsi, "retry-after:", text, p, end);
	}
	if (a->immutable) {
		r |= put(x->wsi, "cache-control:",
			 "public, max-age=31536000, immutable", p, end);
		r |= put(x->wsi, "accept-ranges:", "bytes", p, end);
	} else {
		r |= put(x->wsi, "cache-control:", "no-store", p, end);
	}
	if (a->partial) {
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu",
			 (unsigned long long)a->offset,
			 (unsigned long long)(a->offset + a->len - 1),
			 (unsigned long long)a->file_size);
		r |= put(x->wsi, "content-range:", text, p, end);
	}
	if (a->close)
		r |= put(x->wsi, "connection:", "close", p, end);
	if (a->status == 401)
		r |= put(x->wsi, "www-authenticate:", "Bearer", p, end);
	return r;
}

static int send_headers(struct exchange *x)
{
	const struct answer *a = &x->rq.answer;
	uint8_t *start = x->edge->scratch + LWS_PRE, *p = start;
	uint8_t *end = start + EDGE_PIECE - HEADER_ROOM;
	int r;

	x->streamed = a->more != NULL;
	r = lws_add_http_header_status(x->wsi, (unsigned int)a->status, &p,
				       end);
	if (a->type)
		r |= put(x->wsi, "content-type:", a->type, &p, end);
	if (x->streamed)
		r |= put(x->wsi, "transfer-encoding:", "chunked", &p, end);
	else if (a->status != 204)
		r |= lws_add_http_header_content_length(x->wsi, a->len, &p,
							end);
	r |= put_optional(x, &p, end);
	if (r || lws_finalize_http_header(x->wsi, &p, end))
		return -1;
	x->headers_sent = true;
	/* A small body goes along. */
	if (has_body(x) && a->body &&
	    a->len <= (size_t)(start + EDGE_PIECE - p)) {
		memcpy(p, a->body, a->len);
		p += a->len;
		x->sent = a->len;
	}
	return lws_write(x->wsi, start, (size_t)(p - start),
			 LWS_WRITE_HTTP_HEADERS) < (int)(p - start)
		       ? -1
		       : 0;
}

/* 1: more is to come; 0: all of it is out; -1: hang up. */
static int send_fixed(struct exchange *x)
{
	const struct answer *a = &x->rq.answer;
	uint8_t *buffer = x->edge->scratch + LWS_PRE;
	uint64_t left = a->len - x->sent;
	size_t n = left < EDGE_PIECE ? (size_t)left : EDGE_PIECE;
	ssize_t got = (ssize_t)n;

	if (n == 0)
		return 0;
	if (a->fd >= 0)
		got = pread(a->fd, buffer, n, (off_t)(a->offset + x->sent));
	else
		memcpy(buffer, a->body + x->sent, n);
	if (got <= 0)
		return -1;
	x->sent += (uint64_t)got;
	if (lws_write(x->wsi, buffer, (size_t)got,
		      x->sent == a->len ? LWS_WRITE_HTTP_FINAL
					: LWS_WRITE_HTTP) < (int)got)
		return -1;
	return x->sent < a->len;
}

static int send_last_chunk(struct exchange *x)
{
	static const uint8_t last[] = { '0', '\r', '\n', '\r', '\n' };
	uint8_t *buffer = x->edge->scratch + LWS_PRE;

	memcpy(buffer, last, sizeof(last));
	return lws_write(x->wsi, buffer, sizeof(last), LWS_WRITE_HTTP_FINAL) <
			       (int)sizeof(last)
		       ? -1
		       : 0;
}

/* A streamed body in HTTP/1.1 chunks. */
static int send_streamed(struct exchange *x)
{
	uint8_t *buffer = x->edge->scratch + LWS_PRE;
	struct err e = { 0 };
	size_t n;
	int head;

	if (!x->piece) {
		if (x->rq.answer.more(&x->rq, &x->piece, &e) < 0) {
			log_error("%s: %s", x->rq.path, e.text);
			return -1;
		}
		x->piece_sent = 0;
		x->piece_len = x->piece ? strlen(x->piece) : 0;
		if (!x->piece)
			return send_last_chunk(x);
	}
	n = x->piece_len - x->piece_sent;
	if (n > EDGE_PIECE - 16)
		n = EDGE_PIECE - 16;
	head = snprintf((char *)buffer, 16, "%zx\r\n", n);
	memcpy(buffer + head, x->piece + x->piece_sent, n);
	buffer[(size_t)head + n] = '\r';
	buffer[(size_t)head + n + 1] = '\n';
	x->piece_sent += n;
	if (x->piece_sent == x->piece_len) {
		free(x->piece);
		x->piece = NULL;
	}
	n += (size_t)head + 2;
	return lws_write(x->wsi, buffer, n, LWS_WRITE_HTTP) < (int)n ? -1 : 1;
}

static int end_exchange(struct lws *wsi, struct rest_session *ss)
{
	struct exchange *x = ss->x;
	bool close = x->rq.answer.close;

	/* What is still to come of the body is read for a while, so that the
	 * peer sees the answer and not a reset. */
	if (x->got < x->expect && !x->in_held) {
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, 2);
		return 0;
	}
	exchange_free(x);
	ss->x = NULL;
	return close || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int send_answer(struct lws *wsi, struct rest_session *ss)
{
	struct exchange *x = ss->x;
	int r = 1;

	if (!x || !x->answered)
		return 0;
	if (x->turn >= x->edge->server->turn) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	if (!x->headers_sent) {
		if (send_headers(x) < 0)
			return -1;
		if (!has_body(x) ||
		    (!x->streamed && x->sent == x->rq.answer.len))
			return end_exchange(wsi, ss);
	} else {
		r = x->streamed ? send_streamed(x) : send_fixed(x);
		if (r < 0)
			return -1;
		if (r == 0)
			return end_exchange(wsi, ss);
	}
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT,
			(int)x->edge->server->conf.stall_seconds);
	lws_callback_on_writable(wsi);
	return 0;
}

static int end_body(struct lws *wsi, struct rest_session *ss)
{
	struct exchange *x = ss->x;

	if (!x || x->in_held)
		return 0;
	if (x->answered)
		return x->headers_sent && x->rq.answer.close ? -1 : 0;
	if (x->got != x->expect)
		return -1;
	run(x);
	return 0;
}

int rest_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
		  void *in, size_t len)
{
	struct rest_session *ss = user;
	const struct edge_port *port;
	struct gauge *g;

	switch (reason) {
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		port = edge_port_of(wsi);
		return port->edge->server->gauge.connections >=
		       port->edge->server->conf.connections;
	case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
		edge_port_of(wsi)->edge->server->gauge.connections++;
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		g = &edge_port_of(wsi)->edge->server->gauge;
		g->connections -= g->connections > 0;
		return 0;
	case LWS_CALLBACK_HTTP:
		return start(wsi, ss);
	case LWS_CALLBACK_HTTP_BODY:
		return ss->x ? take_body(ss->x, in, len) : -1;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return end_body(wsi, ss);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return send_answer(wsi, ss);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		port = edge_port_of(wsi);
		return wsedge_confirm(port->edge, wsi, port->is_device);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (ss) {
			exchange_free(ss->x);
			ss->x = NULL;
		}
		return 0;
	default:
		return 0;
	}
}
