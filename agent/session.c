/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/session.h"

#include "agent/chunk_download.h"
#include "agent/http_multi.h"
#include "agent/identity.h"
#include "agent/transport.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/log.h"

#include <string.h>

#define NS_PER_SEC UINT64_C(1000000000)
#define STABLE_SECONDS 60 /* a connection that lasted so long was good */
#define LOOKUP_SECONDS 60

void session_request_status(struct agent *a, unsigned int what_for)
{
	bool is_asked = a->status_for != 0;

	if (!a->has_policyd)
		return;
	a->status_for |= what_for;
	if (!is_asked)
		policyd_client_get_status(a->policyd);
}

static void schedule_connect(struct agent *a, uint64_t ms)
{
	sd_event_source_set_time_relative(a->reconnect, ms * 1000);
	sd_event_source_set_enabled(a->reconnect, SD_EVENT_ONESHOT);
}

int session_on_reconnect_timer(sd_event_source *s, uint64_t usec, void *user)
{
	session_request_status(user, FOR_CONNECT);
	return 0;
}

/* The session's half; the socket ends by itself. */
static void end_protocol_session(struct agent *a)
{
	protocol_free(steal(a->protocol));
	policyd_client_cancel_session(a->policyd);
}

static void cancel_address_lookup(struct agent *a)
{
	if (!a->lookup)
		return;
	worker_free(steal(a->lookup));
	a->is_connecting = false;
}

void session_disconnect(struct agent *a)
{
	sd_event_source_set_enabled(a->reconnect, SD_EVENT_OFF);
	cancel_address_lookup(a);
	if (a->peer)
		transport_close(a->peer);
}

static const char *get_server_host(const struct agent *a)
{
	return a->conf->server ? a->conf->server : a->id->now.host;
}

void session_drop_peer(struct agent *a)
{
	cancel_address_lookup(a);
	if (!a->peer)
		return;
	end_protocol_session(a);
	chunk_download_set_server(a->fetch, NULL);
	http_multi_free(steal(a->gets));
	transport_peer_free(steal(a->peer));
	a->is_connecting = false;
}

/* ---- the WebSocket */

static void send_to_server(void *user, const char *text, size_t len)
{
	struct agent *a = user;

	if (transport_send(a->peer, text, len) < 0)
		transport_close(a->peer);
}

static void submit_to_policyd(void *user, const char *envelope, size_t len)
{
	struct agent *a = user;

	policyd_client_submit(a->policyd, envelope, len);
}

static void fetch_from_policyd(void *user, enum protocol_stream s,
			       uint64_t after)
{
	struct agent *a = user;

	policyd_client_fetch_stream(a->policyd, s, after);
}

static void acknowledge_to_policyd(void *user, enum protocol_stream s,
				   uint64_t seq)
{
	struct agent *a = user;

	policyd_client_ack(a->policyd, s, seq);
}

static void resume_policyd_streams(void *user, const char *receipt,
				   const char *head)
{
	struct agent *a = user;

	policyd_client_resume(a->policyd, receipt, head);
}

static void request_policyd_wants(void *user)
{
	struct agent *a = user;

	policyd_client_get_wants(a->policyd);
}

static void request_status_report(void *user)
{
	session_request_status(user, FOR_REPORT);
}

static void handle_retry_request(void *user, unsigned int after, bool reconnect)
{
	struct agent *a = user;

	log_info("server %s: asks for quiet for %u s", get_server_host(a),
		 after);
	chunk_download_hold_off(a->fetch, after);
	if (!reconnect)
		return;
	backoff_at_least(&a->backoff, after);
	transport_close(a->peer);
}

static const struct protocol_ops protocol_ops = {
	.send = send_to_server,
	.submit = submit_to_policyd,
	.fetch = fetch_from_policyd,
	.ack = acknowledge_to_policyd,
	.resume = resume_policyd_streams,
	.wants = request_policyd_wants,
	.status = request_status_report,
	.retry = handle_retry_request,
};

static uint64_t get_status_number(json_t *object, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(object, name));

	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t get_acked_sequence(const struct agent *a,
				   enum protocol_stream s)
{
	return get_status_number(json_object_get(a->status, "acked"),
				 protocol_stream_name(s));
}

void session_send_hello(struct agent *a)
{
	a->hello = clock_boot_ns();
	protocol_send_hello(a->protocol, a->status);
}

static void on_websocket_opened(void *user)
{
	struct agent *a = user;
	const struct protocol_device d = {
		.device = a->id->now.device,
		.epoch = a->id->now.epoch,
		.agent = PACKAGE_VERSION,
		.inventory = a->inventory,
		.root = get_status_number(a->status, "root_version"),
		.acked = { get_acked_sequence(a, PROTOCOL_RECEIPTS),
			   get_acked_sequence(a, PROTOCOL_AUDIT) },
	};

	a->is_connecting = false;
	a->opened = clock_boot_ns();
	a->protocol = protocol_new(&d, &protocol_ops, a);
	if (!a->protocol) {
		log_error("no memory for a connection");
		transport_close(a->peer);
		return;
	}
	log_info("connected to %s:%u as %s", get_server_host(a),
		 a->id->now.device_port, a->id->now.device);
	session_send_hello(a);
}

static void on_websocket_message(void *user, const char *text, size_t len)
{
	struct agent *a = user;
	struct err e;

	if (!a->protocol)
		return;
	if (protocol_receive(a->protocol, text, len, &e) < 0) {
		log_warning("server %s: %s", get_server_host(a), e.text);
		transport_close(a->peer);
	}
}

/* Returns the time to it, in milliseconds. */
static uint64_t schedule_backoff(struct agent *a)
{
	uint64_t wait;
	uint32_t draw;

	hash_random(&draw, sizeof(draw));
	wait = backoff_next(&a->backoff, draw);
	schedule_connect(a, wait);
	return wait;
}

static void schedule_retry(struct agent *a, const char *why)
{
	uint64_t wait = schedule_backoff(a);

	a->is_connecting = false;
	log_warning("server %s:%u: %s; next try in %.1f s", get_server_host(a),
		    a->id->now.device_port, why, (double)wait / 1000);
}

void session_restart(struct agent *a)
{
	a->status_for = 0;
	if (a->protocol)
		transport_close(a->peer);
	else if (!a->is_connecting)
		schedule_backoff(a);
}

static void connect_next_address(struct agent *a);

static void on_websocket_closed(void *user, const struct transport_end *end)
{
	struct agent *a = user;

	/* Nobody answered there: the name may have more addresses. */
	if (a->is_connecting && end->status == 0 && session_may_connect(a) &&
	    a->next_address < a->address.n) {
		connect_next_address(a);
		return;
	}
	if (a->protocol &&
	    clock_boot_ns() - a->opened > STABLE_SECONDS * NS_PER_SEC)
		backoff_reset(&a->backoff);
	end_protocol_session(a);
	if (end->retry_after > 0)
		backoff_at_least(&a->backoff, end->retry_after);
	schedule_retry(a, end->why[0] ? end->why : "closed");
}

static const struct transport_ops wire_ops = {
	.opened = on_websocket_opened,
	.received = on_websocket_message,
	.closed = on_websocket_closed,
};

static int open_server_peer(struct agent *a, struct err *e)
{
	const struct http_target to = {
		.host = get_server_host(a),
		.port = a->id->now.device_port,
		.ca_pem = a->id->now.ca,
		.cert_pem = a->id->now.cert,
		.key_pem = a->id->key_pem,
	};
	const struct transport_identity id = {
		.host = to.host,
		.port = to.port,
		.ca_pem = to.ca_pem,
		.cert_pem = to.cert_pem,
		.key_pem = to.key_pem,
	};
	AUTO(http_multi_freep) struct http_multi *gets = NULL;
	int r = http_multi_new(a->event, &to, &gets, e);

	if (r == 0)
		r = transport_peer_new(a->transport, &id, &wire_ops, a,
				       &a->peer, e);
	if (r < 0)
		return r;
	a->gets = steal(gets);
	return 0;
}

static void connect_next_address(struct agent *a)
{
	const char *address = a->address.text[a->next_address];
	bool is_new = !a->peer;
	struct err e;

	if (is_new && open_server_peer(a, &e) < 0) {
		schedule_retry(a, e.text);
		return;
	}
	a->next_address++;
	transport_peer_set_address(a->peer, address);
	http_multi_set_address(a->gets, address);
	if (is_new)
		chunk_download_set_server(a->fetch, a->gets);
	transport_open(a->peer, PROTOCOL_PATH, PROTOCOL_NAME,
		       PROTOCOL_MESSAGE_MAX);
}

/* ---- where the server is */

static void on_lookup_answer(void *user, const char *text, size_t len,
			     const struct err *why)
{
	struct agent *a = user;
	struct err e;

	worker_free(steal(a->lookup));
	if (!why && address_parse_list(text, len, &a->address, &e) < 0)
		why = &e;
	if (why)
		schedule_retry(a, why->text);
	else
		connect_next_address(a);
}

static const struct worker_kind lookup = {
	.seconds = LOOKUP_SECONDS,
	.run = address_lookup,
	.done = on_lookup_answer,
};

static void lookup_server_host(struct agent *a)
{
	const char *host = get_server_host(a);
	struct err e;

	a->next_address = 0;
	if (address_parse_literal(host, &a->address))
		connect_next_address(a);
	else if (worker_new(a->event, &lookup, host, a, &a->lookup, &e) < 0)
		schedule_retry(a, e.text);
}

/* Only for an enrollment that policyd has too. */
bool session_may_connect(const struct agent *a)
{
	const char *epoch =
		json_string_value(json_object_get(a->status, "epoch"));

	return a->has_policyd && a->id->is_enrolled && epoch &&
	       strcmp(epoch, a->id->now.epoch) == 0;
}

void session_connect(struct agent *a)
{
	if (a->is_connecting || a->protocol || !session_may_connect(a))
		return;
	a->is_connecting = true;
	lookup_server_host(a);
}
