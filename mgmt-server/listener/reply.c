/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/reply.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/listener/http_exchange.h"
#include "mgmt-server/listener/listener_service.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_ROOM 1024

static bool has_answer_body(const struct http_exchange *x)
{
	return !x->rq.head && x->rq.answer.status != 204;
}

static int add_answer_header(struct lws *wsi, const char *name,
			     const char *value, uint8_t **p, uint8_t *end)
{
	return lws_add_http_header_by_name(wsi, (const uint8_t *)name,
					   (const uint8_t *)value,
					   (int)strlen(value), p, end);
}

static int add_optional_headers(struct http_exchange *x, uint8_t **p,
				uint8_t *end)
{
	const struct answer *a = &x->rq.answer;
	char text[96];
	int r = 0;

	if (a->etag[0])
		r |= add_answer_header(x->wsi, "etag:", a->etag, p, end);
	if (a->retry_after) {
		snprintf(text, sizeof(text), "%u", a->retry_after);
		r |= add_answer_header(x->wsi, "retry-after:", text, p, end);
	}
	if (a->immutable) {
		r |= add_answer_header(x->wsi, "cache-control:",
				       "public, max-age=31536000, immutable", p,
				       end);
		r |= add_answer_header(x->wsi, "accept-ranges:", "bytes", p,
				       end);
	} else {
		r |= add_answer_header(x->wsi, "cache-control:", "no-store", p,
				       end);
	}
	if (a->partial) {
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu",
			 (unsigned long long)a->offset,
			 (unsigned long long)(a->offset + a->len - 1),
			 (unsigned long long)a->file_size);
		r |= add_answer_header(x->wsi, "content-range:", text, p, end);
	}
	if (a->close)
		r |= add_answer_header(x->wsi, "connection:", "close", p, end);
	if (a->status == 401)
		r |= add_answer_header(x->wsi, "www-authenticate:", "Bearer", p,
				       end);
	return r;
}

static int send_answer_headers(struct http_exchange *x)
{
	const struct answer *a = &x->rq.answer;
	uint8_t *start = x->edge->scratch + LWS_PRE, *p = start;
	uint8_t *end = start + LISTENER_PIECE - HEADER_ROOM;
	int r;

	x->streamed = a->more != NULL;
	r = lws_add_http_header_status(x->wsi, (unsigned int)a->status, &p,
				       end);
	if (a->type)
		r |= add_answer_header(x->wsi, "content-type:", a->type, &p,
				       end);
	if (x->streamed)
		r |= add_answer_header(x->wsi, "transfer-encoding:", "chunked",
				       &p, end);
	else if (a->status != 204)
		r |= lws_add_http_header_content_length(x->wsi, a->len, &p,
							end);
	r |= add_optional_headers(x, &p, end);
	if (r || lws_finalize_http_header(x->wsi, &p, end))
		return -1;
	x->headers_sent = true;
	/* A small body goes along. */
	if (has_answer_body(x) && a->body &&
	    a->len <= (size_t)(start + LISTENER_PIECE - p)) {
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
static int send_fixed_body(struct http_exchange *x)
{
	const struct answer *a = &x->rq.answer;
	uint8_t *buffer = x->edge->scratch + LWS_PRE;
	uint64_t left = a->len - x->sent;
	size_t n = left < LISTENER_PIECE ? (size_t)left : LISTENER_PIECE;
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

static int send_last_chunk(struct http_exchange *x)
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
static int send_streamed_body(struct http_exchange *x)
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
	if (n > LISTENER_PIECE - 16)
		n = LISTENER_PIECE - 16;
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

/* More input while the answer is not out: poll(2) would wake for it again and
 * again, and libwebsockets not take it. */
static bool has_pending_input(const struct http_exchange *x)
{
	char byte;

	return recv(lws_get_socket_fd(x->wsi), &byte, 1,
		    MSG_PEEK | MSG_DONTWAIT) > 0;
}

void reply_limit_early_senders(struct listener_context *ed)
{
	for (struct http_exchange *x = ed->sending; x; x = x->next_sending)
		if (has_pending_input(x))
			lws_set_timeout(x->wsi,
					PENDING_TIMEOUT_USER_REASON_BASE,
					LWS_TO_KILL_ASYNC);
}

static int end_sent_exchange(struct lws *wsi, struct http_session *ss)
{
	struct http_exchange *x = ss->x;
	bool close = x->rq.answer.close;

	x->is_sent = true;
	if (lws_partial_buffered(wsi)) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	/* What is still to come of the body is read for a while, so that the
	 * peer sees the answer and not a reset. */
	if (x->got < x->expect && !x->in_held) {
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, 2);
		return 0;
	}
	http_exchange_free(x);
	ss->x = NULL;
	if (close || lws_http_transaction_completed(wsi))
		return http_exchange_hang_up(wsi);
	connection_limit_set_note(wsi, http_exchange_bytes_read(wsi));
	return 0;
}

/* 1: more is to come; 0: all of it is out; -1: hang up. */
static int send_answer_piece(struct http_exchange *x)
{
	if (x->headers_sent)
		return x->streamed ? send_streamed_body(x) : send_fixed_body(x);
	if (send_answer_headers(x) < 0)
		return -1;
	return has_answer_body(x) &&
	       (x->streamed || x->sent < x->rq.answer.len);
}

int reply_handle_writable(struct lws *wsi, struct http_session *ss)
{
	struct http_exchange *x = ss->x;
	int r;

	if (!x || !x->answered)
		return 0;
	if (x->turn >= x->edge->service->turn->number) {
		lws_callback_on_writable(wsi);
		return 0;
	}
	if (x->is_sent)
		return end_sent_exchange(wsi, ss);
	r = send_answer_piece(x);
	if (r < 0)
		return http_exchange_hang_up(wsi);
	if (r == 0)
		return end_sent_exchange(wsi, ss);
	http_exchange_track_sending(x);
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT,
			(int)x->edge->service->conf->stall_seconds);
	lws_callback_on_writable(wsi);
	return 0;
}
