/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/session.h"

#include "agent/fetch.h"
#include "agent/identity.h"
#include "agent/transport.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/hash.h"
#include "lib/log.h"

#include <string.h>

#define NS_PER_SEC UINT64_C(1000000000)
#define STABLE_SECONDS 60 /* a connection that lasted so long was good */
#define LOOKUP_SECONDS 60

void session_ask_status(struct agent *a, unsigned int what_for)
{
	bool is_asked = a->status_for != 0;

	if (!a->has_policyd)
		return;
	a->status_for |= what_for;
	if (!is_asked)
		policylink_status(a->link);
}

static void connect_in(struct agent *a, uint64_t ms)
{
	sd_event_source_set_time_relative(a->reconnect, ms * 1000);
	sd_event_source_set_enabled(a->reconnect, SD_EVENT_ONESHOT);
}

int session_on_due(sd_event_source *s, uint64_t usec, void *user)
{
	session_ask_status(user, FOR_CONNECT);
	return 0;
}

/* The session's half; the socket ends by itself. */
static void end_session(struct agent *a)
{
	protocol_free(steal(a->protocol));
	policylink_forget(a->link);
}

static void stop_looking(struct agent *a)
{
	if (!a->lookup)
		return;
	envoy_free(steal(a->lookup));
	a->is_connecting = false;
}

void session_disconnect(struct agent *a)
{
	sd_event_source_set_enabled(a->reconnect, SD_EVENT_OFF);
	stop_looking(a);
	if (a->peer)
		wire_close(a->peer);
}

static const char *host_of(const struct agent *a)
{
	return a->conf->server ? a->conf->server : a->id->now.host;
}

void session_drop(struct agent *a)
{
	stop_looking(a);
	if (!a->peer)
		return;
	end_session(a);
	fetch_attach(a->fetch, NULL);
	wire_peer_free(steal(a->peer));
	a->is_connecting = false;
}

/* ---- the WebSocket */

static void op_send(void *user, const char *text, size_t len)
{
	struct agent *a = user;

	if (wire_send(a->peer, text, len) < 0)
		wire_close(a->peer);
}

static void op_submit(void *user, const char *envelope, size_t len)
{
	struct agent *a = user;

	policylink_submit(a->link, envelope, len);
}

static void op_fetch(void *user, enum protocol_stream s, uint64_t after)
{
	struct agent *a = user;

	policylink_fetch(a->link, s, after);
}

static void op_ack(void *user, enum protocol_stream s, uint64_t seq)
{
	struct agent *a = user;

	policylink_ack(a->link, s, seq);
}

static void op_resume(void *user, const char *receipt, const char *head)
{
	struct agent *a = user;

	policylink_resume(a->link, receipt, head);
}

static void op_wants(void *user)
{
	struct agent *a = user;

	policylink_wants(a->link);
}

static void op_status(void *user)
{
	session_ask_status(user, FOR_REPORT);
}

static void op_retry(void *user, unsigned int after, bool reconnect)
{
	struct agent *a = user;

	log_info("server %s: asks for quiet for %u s", host_of(a), after);
	fetch_hold(a->fetch, after);
	if (!reconnect)
		return;
	backoff_at_least(&a->backoff, after);
	wire_close(a->peer);
}

static const struct protocol_ops protocol_ops = {
	.send = op_send,
	.submit = op_submit,
	.fetch = op_fetch,
	.ack = op_ack,
	.resume = op_resume,
	.wants = op_wants,
	.status = op_status,
	.retry = op_retry,
};

static uint64_t number(json_t *object, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(object, name));

	return n > 0 ? (uint64_t)n : 0;
}

static uint64_t acked(const struct agent *a, enum protocol_stream s)
{
	return number(json_object_get(a->status, "acked"),
		      protocol_stream_name(s));
}

void session_hello(struct agent *a)
{
	a->hello = clock_boot_ns();
	protocol_hello(a->protocol, a->status);
}

static void on_opened(void *user)
{
	struct agent *a = user;
	const struct protocol_device d = {
		.device = a->id->now.device,
		.epoch = a->id->now.epoch,
		.agent = PACKAGE_VERSION,
		.inventory = a->inventory,
		.root = number(a->status, "root_version"),
		.acked = { acked(a, PROTOCOL_RECEIPTS),
			   acked(a, PROTOCOL_AUDIT) },
	};

	a->is_connecting = false;
	a->opened = clock_boot_ns();
	a->protocol = protocol_new(&d, &protocol_ops, a);
	if (!a->protocol) {
		log_error("no memory for a connection");
		wire_close(a->peer);
		return;
	}
	log_info("connected to %s:%u as %s", host_of(a), a->id->now.device_port,
		 a->id->now.device);
	session_hello(a);
}

static void on_received(void *user, const char *text, size_t len)
{
	struct agent *a = user;
	struct err e;

	if (!a->protocol)
		return;
	if (protocol_receive(a->protocol, text, len, &e) < 0) {
		log_warning("server %s: %s", host_of(a), e.text);
		wire_close(a->peer);
	}
}

/* Returns the time to it, in milliseconds. */
static uint64_t back_off(struct agent *a)
{
	uint64_t wait;
	uint32_t draw;

	hash_random(&draw, sizeof(draw));
	wait = backoff_next(&a->backoff, draw);
	connect_in(a, wait);
	return wait;
}

static void try_later(struct agent *a, const char *why)
{
	uint64_t wait = back_off(a);

	a->is_connecting = false;
	log_warning("server %s:%u: %s; next try in %.1f s", host_of(a),
		    a->id->now.device_port, why, (double)wait / 1000);
}

void session_restart(struct agent *a)
{
	a->status_for = 0;
	if (a->protocol)
		wire_close(a->peer);
	else if (!a->is_connecting)
		back_off(a);
}

static void connect_next(struct agent *a);

static void on_closed(void *user, const struct wire_end *end)
{
	struct agent *a = user;

	/* Nobody answered there: the name may have more addresses. */
	if (a->is_connecting && end->status == 0 && session_may_connect(a) &&
	    a->next_address < a->address.n) {
		connect_next(a);
		return;
	}
	if (a->protocol &&
	    clock_boot_ns() - a->opened > STABLE_SECONDS * NS_PER_SEC)
		backoff_reset(&a->backoff);
	end_session(a);
	if (end->retry_after > 0)
		backoff_at_least(&a->backoff, end->retry_after);
	try_later(a, end->why[0] ? end->why : "closed");
}

static const struct wire_ops wire_ops = {
	.opened = on_opened,
	.received = on_received,
	.closed = on_closed,
};

static int open_peer(struct agent *a, struct err *e)
{
	const struct wire_identity id = {
		.host = host_of(a),
		.port = a->id->now.device_port,
		.ca_pem = a->id->now.ca,
		.cert_pem = a->id->now.cert,
		.key_pem = a->id->key_pem,
		.lanes = (unsigned int)a->conf->parallel,
	};
	int r = wire_peer_new(a->wire, &id, &wire_ops, a, &a->peer, e);

	if (r == 0)
		fetch_attach(a->fetch, a->peer);
	return r;
}

static void connect_next(struct agent *a)
{
	struct err e;

	if (!a->peer && open_peer(a, &e) < 0) {
		try_later(a, e.text);
		return;
	}
	wire_peer_at(a->peer, a->address.text[a->next_address++]);
	wire_open(a->peer, PROTOCOL_PATH, PROTOCOL_NAME, PROTOCOL_MESSAGE_MAX);
}

/* ---- where the server is */

static void on_found(void *user, const char *text, size_t len,
		     const struct err *why)
{
	struct agent *a = user;
	struct err e;

	envoy_free(steal(a->lookup));
	if (!why && address_read(text, len, &a->address, &e) < 0)
		why = &e;
	if (why)
		try_later(a, why->text);
	else
		connect_next(a);
}

static const struct envoy_kind lookup = {
	.seconds = LOOKUP_SECONDS,
	.run = address_find,
	.done = on_found,
};

static void look_up(struct agent *a)
{
	const char *host = host_of(a);
	struct err e;

	a->next_address = 0;
	if (address_literal(host, &a->address))
		connect_next(a);
	else if (envoy_new(a->event, &lookup, host, a, &a->lookup, &e) < 0)
		try_later(a, e.text);
}

/* Only for an enrolment that policyd has too. */
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
	look_up(a);
}
