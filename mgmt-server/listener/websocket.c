/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/listener/websocket.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/api/route.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/ratelimit.h"
#include "mgmt-server/core/settings.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device_messages.h"
#include "mgmt-server/listener/client_cert.h"
#include "mgmt-server/listener/listener_service.h"
#include "mgmt-server/listener/peer.h"

#include <errno.h>
#include <string.h>

#define EVENTS_QUEUE_MAX 512
#define RETRY_US (50 * LWS_US_PER_MS)
#define RETRIES_AT_ONCE 16
#define REPLACED_SECONDS 5 /* for the answer to a ping */
#define RETRY_AFTER_MAX 60
#define PIECE_ROOM 4096 /* of a message, to begin with */

struct device_session {
	struct lws *wsi;
	struct device_channel *channel;
	char *in; /* a message that is not whole yet */
	size_t in_len, in_size;
	bool close; /* what comes is thrown away until the timer ends it */
	bool replaced, pinged;
	bool waiting; /* its message is whole; the database is locked */
	struct device_session *next_waiting;
};
const size_t websocket_device_size = sizeof(struct device_session);

/* ---- before the upgrade */
static int send_upgrade_refusal(struct listener_context *ed, struct lws *wsi,
				unsigned int status, unsigned int retry)
{
	uint8_t *start = ed->scratch + LWS_PRE, *p = start;
	uint8_t *end = start + LISTENER_PIECE - 1;
	char text[16];
	int r = lws_add_http_header_status(wsi, status, &p, end);

	if (retry) {
		int n = snprintf(text, sizeof(text), "%u", retry);

		r |= lws_add_http_header_by_name(
			wsi, (const uint8_t *)"retry-after:", (uint8_t *)text,
			n, &p, end);
	}
	r |= lws_add_http_header_content_length(wsi, 0, &p, end);
	r |= lws_finalize_write_http_header(wsi, start, &p, end);
	return r ? -1 : 1;
}

/* More devices at once than can be served are asked to come later, and each
 * something else, so that they do not come together again. */
static int check_device_upgrade(struct listener_context *ed, struct lws *wsi)
{
	double rate = (double)ed->service->conf->admit_rate;
	struct client_cert who;
	uint8_t random;

	if (!peer_get_device(ed->service->turn->db, wsi, &who))
		return -1;
	if (who.is_expired)
		return send_upgrade_refusal(ed, wsi, 403, 0);
	if (ratelimit_allow(ed->service->limit, "device channels", rate, rate,
			    clock_mono_ns()))
		return 0;
	hash_random(&random, 1);
	ed->service->turn->metrics->channels_refused++;
	return send_upgrade_refusal(ed, wsi, 503, 1 + random % RETRY_AFTER_MAX);
}

static int check_events_upgrade(struct listener_context *ed, struct lws *wsi)
{
	struct token b = { 0 };
	struct err e;
	int r = peer_authenticate(ed->service->turn->db, wsi, &b, &e);

	token_fini(&b);
	return r < 0 ? send_upgrade_refusal(ed, wsi, 401, 0) : 0;
}

int websocket_confirm_upgrade(struct listener_context *ed, struct lws *wsi,
			      bool is_device)
{
	const char *want = is_device ? "cells.v1" : "cells.events.v1";
	const char *path = is_device ? "/v1/device" : "/v1/events";
	char text[64];

	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_GET_URI) <= 0 ||
	    strcmp(text, path) != 0)
		return send_upgrade_refusal(ed, wsi, 404, 0);
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_PROTOCOL) <= 0 ||
	    strcmp(text, want) != 0 ||
	    lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) > 0)
		return send_upgrade_refusal(ed, wsi, 400, 0);
	return is_device ? check_device_upgrade(ed, wsi)
			 : check_events_upgrade(ed, wsi);
}

static void on_retry_timer(lws_sorted_usec_list_t *sul);

/* ---- ending a WebSocket */
/*
 * A callback never returns -1: libwebsockets 4.1 would say goodbye and read on,
 * with its parser in the middle of whatever was refused. What comes is thrown
 * away instead, and a timer ends the connection.
 */
static int schedule_connection_kill(struct lws *wsi)
{
	lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE,
			LWS_TO_KILL_ASYNC);
	return 0;
}

static void remove_waiting_session(struct listener_context *ed,
				   struct device_session *ss)
{
	struct device_session **at = &ed->waiting;

	while (*at && *at != ss)
		at = &(*at)->next_waiting;
	if (*at)
		*at = ss->next_waiting;
	ss->waiting = false;
}

static void drop_received_message(struct device_session *ss)
{
	if (ss->waiting)
		remove_waiting_session(listener_context_get_port(ss->wsi)->edge,
				       ss);
	free(ss->in);
	ss->in = NULL;
	ss->in_len = 0;
}

static int close_device_session(struct device_session *ss)
{
	drop_received_message(ss);
	ss->close = true;
	return schedule_connection_kill(ss->wsi);
}

/* ---- the device channel */
static int open_device_session(struct listener_context *ed,
			       struct device_session *ss, struct lws *wsi)
{
	struct client_cert who;
	struct err e;

	ss->wsi = wsi;
	if (!peer_get_device(ed->service->turn->db, wsi, &who) ||
	    who.is_expired ||
	    device_messages_open(ed->service->devices, who.device, ss,
				 &ss->channel, &e) < 0)
		return close_device_session(ss);
	log_debug("%s connected", who.device);
	return 0;
}

/* While another process has the database, the message is kept, and what the
 * device sends behind it not read. */
static int defer_device_message(struct listener_context *ed,
				struct device_session *ss)
{
	struct device_session **at = &ed->waiting;

	if (ss->waiting)
		return 0;
	while (*at)
		at = &(*at)->next_waiting;
	ss->waiting = true;
	ss->next_waiting = NULL;
	*at = ss;
	lws_rx_flow_control(ss->wsi, 0);
	lws_sul_schedule(ed->lws, 0, &ed->retry, on_retry_timer, RETRY_US);
	return 0;
}

/* A whole message: all of what it does is kept, or nothing. */
static int handle_device_message(struct listener_context *ed,
				 struct device_session *ss)
{
	struct turn_savepoint mark;
	struct err e;
	int r = turn_begin_savepoint(ed->service->turn, &mark, &e);

	if (r == 0) {
		r = device_messages_handle(ss->channel, ss->in, ss->in_len, &e);
		if (r < 0)
			turn_rollback_savepoint(ed->service->turn, &mark);
		else
			r = turn_release_savepoint(ed->service->turn, &e);
	}
	if (r == -EBUSY)
		return defer_device_message(ed, ss);
	drop_received_message(ss);
	if (r == 0)
		return 0;
	log_warning("%s: %s", ss->channel->device, e.text);
	return close_device_session(ss);
}

static void on_retry_timer(lws_sorted_usec_list_t *sul)
{
	struct listener_context *ed =
		lws_container_of(sul, struct listener_context, retry);

	for (int n = 0; n < RETRIES_AT_ONCE && ed->waiting; n++) {
		struct device_session *ss = ed->waiting;

		handle_device_message(ed, ss);
		if (ss->waiting)
			break;
		lws_rx_flow_control(ss->wsi, 1);
	}
	if (ed->waiting)
		lws_sul_schedule(ed->lws, 0, &ed->retry, on_retry_timer,
				 RETRY_US);
}

/* Room for so many bytes of a message. It doubles: pieces may be small. */
static bool grow_input_buffer(struct device_session *ss, size_t size)
{
	size_t n = ss->in ? ss->in_size : PIECE_ROOM;
	char *more;

	while (n < size)
		n *= 2;
	if (ss->in && n == ss->in_size)
		return true;
	more = realloc(ss->in, n);
	if (!more)
		return false;
	ss->in = more;
	ss->in_size = n;
	return true;
}

static int receive_message_piece(struct listener_context *ed,
				 struct device_session *ss, struct lws *wsi,
				 const void *data, size_t len)
{
	if (ss->close || ss->replaced)
		return 0;
	if (ss->waiting) /* was read before its input was stopped */
		return close_device_session(ss);
	if (ss->in_len + len > DEVICE_CHANNEL_MESSAGE_MAX)
		return close_device_session(ss);
	if (!grow_input_buffer(ss, ss->in_len + len + 1))
		return close_device_session(ss);
	memcpy(ss->in + ss->in_len, data, len);
	ss->in_len += len;
	ss->in[ss->in_len] = '\0';
	if (!lws_is_final_fragment(wsi) ||
	    lws_remaining_packet_payload(wsi) > 0) {
		/* A message that does not come to its end is cut. */
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE,
				(int)ed->service->conf->stall_seconds);
		return 0;
	}
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	return handle_device_message(ed, ss);
}

/* Writes one piece of a text message; 1: the message is out. */
static int write_text_piece(struct listener_context *ed, struct lws *wsi,
			    const char *text, size_t len, size_t *sent)
{
	uint8_t *buffer = ed->scratch + LWS_PRE;
	size_t n = len - *sent;
	int flags;

	if (n > LISTENER_PIECE)
		n = LISTENER_PIECE;
	memcpy(buffer, text + *sent, n);
	flags = lws_write_ws_flags(LWS_WRITE_TEXT, *sent == 0,
				   *sent + n == len);
	if (lws_write(wsi, buffer, n, (enum lws_write_protocol)flags) < (int)n)
		return -1;
	*sent += n;
	return *sent == len;
}

/* A pong needs a payload to be heard of here. */
static int write_device_ping(struct listener_context *ed,
			     struct device_session *ss)
{
	uint8_t *buffer = ed->scratch + LWS_PRE;

	if (!ss->pinged) {
		buffer[0] = '?';
		lws_write(ss->wsi, buffer, 1, LWS_WRITE_PING);
		ss->pinged = true;
	}
	return 0;
}

/* One that was replaced and still answers is not the same device. */
static int handle_device_pong(struct device_session *ss)
{
	if (!ss->pinged || ss->close)
		return 0;
	device_messages_report_duplicate(ss->channel);
	return close_device_session(ss);
}

static int write_device_message(struct listener_context *ed,
				struct device_session *ss, struct lws *wsi)
{
	struct device_channel_message *o;
	int r;

	if (ss->close)
		return 0;
	if (ss->replaced)
		return write_device_ping(ed, ss);
	o = device_channel_peek_message(ss->channel);
	if (o) {
		r = write_text_piece(ed, wsi, o->text, o->len, &o->sent);
		if (r < 0)
			return schedule_connection_kill(wsi);
		if (r > 0)
			device_channel_remove_sent(ss->channel);
	}
	if (ss->channel->out) {
		/* A peer that takes nothing is cut. */
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE,
				(int)ed->service->conf->stall_seconds);
		lws_callback_on_writable(wsi);
	} else if (!ss->in) {
		lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	}
	return 0;
}

int websocket_device_callback(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len)
{
	struct device_session *ss = user;

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		return open_device_session(listener_context_get_port(wsi)->edge,
					   ss, wsi);
	case LWS_CALLBACK_RECEIVE:
		return receive_message_piece(
			listener_context_get_port(wsi)->edge, ss, wsi, in, len);
	case LWS_CALLBACK_RECEIVE_PONG:
		return handle_device_pong(ss);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return write_device_message(
			listener_context_get_port(wsi)->edge, ss, wsi);
	case LWS_CALLBACK_CLOSED:
		if (ss->channel)
			log_debug("%s is gone", ss->channel->device);
		device_messages_close(ss->channel);
		ss->channel = NULL;
		drop_received_message(ss);
		return 0;
	default:
		return 0;
	}
}

void websocket_on_device_ready(void *ctx, void *connection, bool close)
{
	struct device_session *ss = connection;

	if (close) {
		close_device_session(ss); /* also when the peer takes nothing */
		return;
	}
	lws_callback_on_writable(ss->wsi);
}

void websocket_on_device_replaced(void *ctx, void *connection)
{
	struct device_session *ss = connection;

	if (ss->close)
		return;
	drop_received_message(ss);
	ss->replaced = true;
	lws_callback_on_writable(ss->wsi);
	lws_set_timeout(ss->wsi, PENDING_TIMEOUT_USER_REASON_BASE,
			REPLACED_SECONDS);
}

/* ---- events for administrators */
struct queued_event {
	struct queued_event *next;
	size_t len, sent;
	char text[];
};

struct event_subscriber {
	struct lws *wsi;
	struct token caller;
	struct event_subscriber *next;
	struct queued_event *out, **out_end;
	unsigned int queued;
	bool open, close;
};
const size_t websocket_events_size = sizeof(struct event_subscriber);

static int open_event_subscriber(struct listener_context *ed,
				 struct event_subscriber *l, struct lws *wsi)
{
	struct err e;

	l->wsi = wsi;
	l->out_end = &l->out;
	if (peer_authenticate(ed->service->turn->db, wsi, &l->caller, &e) < 0)
		return schedule_connection_kill(wsi);
	l->open = true;
	l->next = ed->listeners;
	ed->listeners = l;
	return 0;
}

static void close_event_subscriber(struct listener_context *ed,
				   struct event_subscriber *l)
{
	struct event_subscriber **at = &ed->listeners;

	while (l->open && *at && *at != l)
		at = &(*at)->next;
	if (l->open && *at)
		*at = l->next;
	while (l->out) {
		struct queued_event *ev = l->out;

		l->out = ev->next;
		free(ev);
	}
	token_fini(&l->caller);
}

static int write_subscriber_event(struct listener_context *ed,
				  struct event_subscriber *l, struct lws *wsi)
{
	struct queued_event *ev = l->out;
	int r;

	if (l->close)
		return schedule_connection_kill(wsi);
	if (!ev)
		return 0;
	r = write_text_piece(ed, wsi, ev->text, ev->len, &ev->sent);
	if (r < 0)
		return schedule_connection_kill(wsi);
	if (r > 0) {
		l->out = ev->next;
		if (!l->out)
			l->out_end = &l->out;
		l->queued--;
		free(ev);
	}
	if (l->out) {
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE,
				(int)ed->service->conf->stall_seconds);
		lws_callback_on_writable(wsi);
	} else {
		lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	}
	return 0;
}

int websocket_events_callback(struct lws *wsi, enum lws_callback_reasons reason,
			      void *user, void *in, size_t len)
{
	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		return open_event_subscriber(
			listener_context_get_port(wsi)->edge, user, wsi);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return write_subscriber_event(
			listener_context_get_port(wsi)->edge, user, wsi);
	case LWS_CALLBACK_CLOSED:
		close_event_subscriber(listener_context_get_port(wsi)->edge,
				       user);
		return 0;
	default: /* what a subscriber sends is ignored */
		return 0;
	}
}

void websocket_close_expired_subscribers(struct listener_context *ed)
{
	for (struct event_subscriber *l = ed->listeners; l; l = l->next) {
		struct err e;

		if (l->close ||
		    token_check_active(ed->service->turn->db, l->caller.id,
				       &e) != -PROBLEM_UNAUTHORIZED)
			continue;
		l->close = true;
		schedule_connection_kill(l->wsi);
	}
}

void websocket_queue_event(void *ctx, const char *group, const char *text)
{
	struct listener_context *ed = ctx;
	size_t len = strlen(text);

	for (struct event_subscriber *l = ed->listeners; l; l = l->next) {
		struct queued_event *ev;

		if (l->close || !token_can_see_group(&l->caller, group))
			continue;
		ev = l->queued < EVENTS_QUEUE_MAX
			     ? malloc(sizeof(*ev) + len + 1)
			     : NULL;
		lws_callback_on_writable(l->wsi);
		if (!ev) {
			l->close = true; /* better than a gap nobody sees */
			continue;
		}
		*ev = (struct queued_event){ .len = len };
		memcpy(ev->text, text, len + 1);
		*l->out_end = ev;
		l->out_end = &ev->next;
		l->queued++;
	}
}
