/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/http_server.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/api/filter.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/api/route.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/listener/client_cert.h"
#include "mgmt-server/listener/http_exchange.h"
#include "mgmt-server/listener/listener_service.h"
#include "mgmt-server/listener/peer.h"
#include "mgmt-server/listener/reply.h"
#include "mgmt-server/listener/websocket.h"
#include "mgmt-server/store/blob.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define BODY_SMALL (64 * 1024)
#define BODY_MAX (4 * 1024 * 1024)
#define DISCARD_MAX (1024 * 1024) /* read on after an early refusal */
#define HELD_SECONDS 90

/*
 * Keeps what comes behind the request from being read, until false. To be read
 * on a connection is to be written to: libwebsockets 4.1 asks no h1 connection
 * for output while its input is stopped.
 */
static void pause_input(struct http_exchange *x, bool is_alone)
{
	x->is_alone = is_alone;
	lws_rx_flow_control(x->wsi, !is_alone);
}

static void finish_exchange(struct http_exchange *x)
{
	x->answered = true;
	x->turn = x->edge->service->turn->number;
	x->next = x->edge->fresh;
	x->edge->fresh = x;
	x->in_fresh = true;
	lws_set_timeout(x->wsi, NO_PENDING_TIMEOUT, 0);
}

static void finish_with_problem(struct http_exchange *x, int r,
				const struct err *e)
{
	request_answer_problem(&x->rq, r, e);
	finish_exchange(x);
}

static void on_slice_timer(lws_sorted_usec_list_t *sul);

static void run_exchange(struct http_exchange *x)
{
	struct err e = { 0 };
	uint8_t digest[HASH_SIZE];
	int r = 0;

	if (x->sink && encoding_parse_digest(x->rq.param[0], digest) == 0)
		r = blob_sink_end(x->sink, digest, &e);
	if (r < 0) {
		finish_with_problem(x, r, &e);
	} else if (route_run_request(&x->rq)) {
		finish_exchange(x);
	} else {
		x->next = x->edge->held;
		x->edge->held = x;
		x->in_held = true;
		lws_set_timeout(x->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
				HELD_SECONDS);
		if (x->rq.is_working)
			lws_sul_schedule(x->edge->lws, 0, &x->edge->slice,
					 on_slice_timer, LWS_US_PER_MS);
	}
}

/* One of those that are working, the one that has waited longest. */
static void on_slice_timer(lws_sorted_usec_list_t *sul)
{
	struct listener_context *ed =
		lws_container_of(sul, struct listener_context, slice);
	struct http_exchange *next = NULL;
	unsigned int n = 0;

	for (struct http_exchange *x = ed->held; x; x = x->next)
		if (x->rq.is_working) {
			next = x;
			n++;
		}
	if (!next)
		return;
	http_exchange_unlink(&ed->held, next);
	next->in_held = false;
	run_exchange(next);
	if (n > 1)
		lws_sul_schedule(ed->lws, 0, &ed->slice, on_slice_timer,
				 LWS_US_PER_MS);
}

void http_server_run_held(struct listener_context *ed, bool always)
{
	struct http_exchange *list;

	if (!always && ed->held_seen == ed->service->turn->commands_changed)
		return;
	ed->held_seen = ed->service->turn->commands_changed;
	list = ed->held;
	ed->held = NULL;
	while (list) {
		struct http_exchange *x = list;

		list = x->next;
		if (x->rq.is_working) {
			x->next = ed->held;
			ed->held = x;
			continue;
		}
		x->in_held = false;
		run_exchange(x);
	}
}

/*
 * Is there input of that connection, in libwebsockets' hands or in TLS's, that
 * its flow control keeps back? There is no asking but this: whether the loop
 * would sleep with and without it.
 */
static bool resume_and_probe_input(struct http_exchange *x)
{
	struct lws_context *lws = x->edge->lws;
	bool sleeps = lws_service_adjust_timeout(lws, 1, 0) != 0;

	pause_input(x, false);
	return sleeps && lws_service_adjust_timeout(lws, 1, 0) == 0;
}

void http_server_release_answers(struct listener_context *ed, int r,
				 const struct err *why)
{
	while (ed->fresh) {
		struct http_exchange *x = ed->fresh;

		ed->fresh = x->next;
		x->in_fresh = false;
		if (r < 0)
			request_answer_problem(&x->rq, r, why);
		/* Requests behind this one are not for this server. */
		if (x->is_alone && resume_and_probe_input(x))
			x->rq.answer.close = true;
		/* A client that does not read the answer is cut: from now on,
		 * for the commit's time is not the peer's. */
		lws_set_timeout(x->wsi, PENDING_TIMEOUT_HTTP_CONTENT,
				(int)ed->service->conf->stall_seconds);
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

static int parse_request_line(struct http_exchange *x, struct err *e)
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

/* One fragment; 1: there was one. */
static int parse_query_argument(struct http_exchange *x, int i, struct err *e)
{
	char text[FILTER_TEXT_MAX + 64];
	int len = lws_hdr_fragment_length(x->wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
	int n = lws_hdr_copy_fragment(x->wsi, text, sizeof(text),
				      WSI_TOKEN_HTTP_URI_ARGS, i);

	if (n < 0 && len >= (int)sizeof(text))
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "the %d. argument is longer than %zu bytes",
			       i + 1, sizeof(text) - 1);
	if (n < 0)
		return 0;
	if (i == REQUEST_ARGS)
		return err_set(e, PROBLEM_BAD_REQUEST,
			       "there are more than %d arguments",
			       REQUEST_ARGS);
	if (n == 0)
		return 1;
	x->rq.arg[x->rq.n_args] = strdup(text);
	if (!x->rq.arg[x->rq.n_args])
		return err_oom(e, "take the arguments");
	x->rq.n_args++;
	return 1;
}

static int parse_query_arguments(struct http_exchange *x, struct err *e)
{
	int i = 0, r;

	do
		r = parse_query_argument(x, i++, e);
	while (r > 0);
	return r;
}

static void read_request_headers(struct http_exchange *x)
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
	if (lws_hdr_custom_copy(x->wsi, rq->idempotency_key,
				sizeof(rq->idempotency_key), once,
				(int)strlen(once)) <= 0)
		rq->idempotency_key[0] = '\0';
}

static int check_content_length(struct http_exchange *x, struct err *e)
{
	uint64_t max = x->rq.route->flags & ROUTE_FILE	  ? BLOB_MAX
		       : x->rq.route->flags & ROUTE_SMALL ? BODY_SMALL
							  : BODY_MAX;
	char text[24];
	int n = lws_hdr_copy(x->wsi, text, sizeof(text),
			     WSI_TOKEN_HTTP_CONTENT_LENGTH);

	if (lws_hdr_total_length(x->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return err_set(e, ELOOP, "send a Content-Length");
	/* libwebsockets expects a body of 100 MiB then. */
	if (n == 0 && x->rq.method != METHOD_GET)
		x->rq.answer.close = true;
	if (n == 0)
		return 0;
	if (n < 0 || encoding_parse_number(text, UINT64_MAX, &x->expect) < 0)
		return err_set(e, EINVAL, "Content-Length is not a number");
	if (x->expect > max)
		return err_reason(e, REASON_TOO_LARGE,
				  "a body of %llu bytes: at most %llu",
				  (unsigned long long)x->expect,
				  (unsigned long long)max);
	return 0;
}

/* Nobody is a caller as well: some routes are for everybody. */
static int authenticate_caller(struct http_exchange *x, struct err *e)
{
	struct request *rq = &x->rq;
	int r = peer_authenticate(x->edge->service->turn->db, x->wsi,
				  &rq->caller, e);

	rq->is_refused =
		r == -PROBLEM_UNAUTHORIZED &&
		lws_hdr_total_length(x->wsi, WSI_TOKEN_HTTP_AUTHORIZATION) > 0;
	return r == -PROBLEM_UNAUTHORIZED ? 0 : r;
}

/* Everything that is known before the body; may answer already. */
static void handle_request_head(struct http_exchange *x)
{
	struct request *rq = &x->rq;
	struct err e = { 0 };
	int r;

	peer_get_address(x->wsi, rq->from);
	read_request_headers(x);
	r = parse_request_line(x, &e);
	if (r == 0)
		r = parse_query_arguments(x, &e);
	if (r == 0 && !rq->device_port)
		r = authenticate_caller(x, &e);
	if (r < 0) {
		rq->answer.close = true;
		finish_with_problem(x, r, &e);
		return;
	}
	if (route_check_request(rq) < 0) {
		rq->answer.close = rq->method != METHOD_GET;
		finish_exchange(x);
		return;
	}
	r = check_content_length(x, &e);
	if (r == 0 && (rq->route->flags & ROUTE_WS))
		r = err_set(&e, PROBLEM_UNSUPPORTED, "open it as a WebSocket");
	if (r == 0 && (rq->route->flags & ROUTE_FILE))
		r = blob_sink_new(x->edge->service->turn->blobs, &x->sink, &e);
	if (r < 0) {
		rq->answer.close = true;
		finish_with_problem(x, r, &e);
	} else if (x->expect == 0) {
		run_exchange(x);
	}
}

/* Nothing was read since the answer before, so that it came before it. */
static bool is_leftover_request(struct lws *wsi)
{
	uintptr_t before = connection_limit_get_note(wsi);

	return before && before == http_exchange_bytes_read(wsi);
}

static int start_exchange(struct lws *wsi, struct http_session *ss)
{
	const struct listener_port *port = listener_context_get_port(wsi);
	struct http_exchange *x = calloc(1, sizeof(*x));
	struct client_cert who = { 0 };

	/* Only what libwebsockets had of it before its answer can be behind a
	 * request, and a body there makes 4.1 loop in lws_http_action(). */
	if (!x || ss->x || is_leftover_request(wsi)) {
		free(x);
		return http_exchange_hang_up(wsi);
	}
	ss->x = x;
	x->edge = port->edge;
	x->wsi = wsi;
	request_init(&x->rq, port->edge->service->requests);
	x->rq.device_port = port->is_device;
	/* Unknown and retired devices hear nothing. */
	if (port->is_device &&
	    !peer_get_device(port->edge->service->turn->db, wsi, &who))
		return http_exchange_hang_up(wsi);
	snprintf(x->rq.device, sizeof(x->rq.device), "%s", who.device);
	x->rq.is_expired = who.is_expired;
	handle_request_head(x);
	if (x->expect == 0)
		pause_input(x, true);
	return 0;
}

static int receive_request_body(struct http_exchange *x, const void *data,
				size_t len)
{
	struct request *rq = &x->rq;
	struct err e = { 0 };
	char *more;
	int r = 0;

	x->got += len;
	if (x->answered)
		return x->got > DISCARD_MAX ? http_exchange_hang_up(x->wsi) : 0;
	if (x->got > x->expect)
		return http_exchange_hang_up(x->wsi);
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
		finish_with_problem(x, r, &e);
	}
	return 0;
}

/* Called again for bytes behind the body. */
static int handle_body_end(struct lws *wsi, struct http_session *ss)
{
	struct http_exchange *x = ss->x;

	if (!x)
		return 0;
	if (x->answered || x->in_held) {
		x->rq.answer.close = true;
		return x->headers_sent ? http_exchange_hang_up(wsi) : 0;
	}
	if (x->got != x->expect)
		return http_exchange_hang_up(wsi);
	run_exchange(x);
	pause_input(x, true);
	return 0;
}

/* Whatever OpenSSL found, its verdict is ours to give: 0 is good. */
static int verify_client_certificate(struct lws *wsi, X509_STORE_CTX *ctx,
				     bool preverified)
{
	const struct listener_service *s =
		listener_context_get_port(wsi)->edge->service;
	const struct client_cert_verifier v = { .db = s->turn->db,
						.metrics = s->turn->metrics,
						.limit = s->limit,
						.alarms = s->alarms };
	char from[PEER_ADDRESS_SIZE];

	peer_get_address(wsi, from);
	return !client_cert_verify(&v, ctx, preverified, from);
}

int http_server_callback(struct lws *wsi, enum lws_callback_reasons reason,
			 void *user, void *in, size_t len)
{
	struct http_session *ss = user;
	const struct listener_port *port;

	switch (reason) {
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		port = listener_context_get_port(wsi);
		return !connection_limit_has_room(
			&port->edge->limit, port->is_device, (int)(intptr_t)in);
	case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
		port = listener_context_get_port(wsi);
		return connection_limit_add(&port->edge->limit, port->is_device,
					    wsi)
			       ? 0
			       : -1;
	case LWS_CALLBACK_WSI_DESTROY:
		connection_limit_remove(wsi);
		return 0;
	case LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION:
		return verify_client_certificate(wsi, user, len != 0);
	case LWS_CALLBACK_HTTP:
		return start_exchange(wsi, ss);
	case LWS_CALLBACK_HTTP_BODY:
		return ss->x ? receive_request_body(ss->x, in, len)
			     : http_exchange_hang_up(wsi);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return handle_body_end(wsi, ss);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return reply_handle_writable(wsi, ss);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		port = listener_context_get_port(wsi);
		return websocket_confirm_upgrade(port->edge, wsi,
						 port->is_device);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
		if (ss) {
			http_exchange_free(ss->x);
			ss->x = NULL;
		}
		return 0;
	default:
		return 0;
	}
}
