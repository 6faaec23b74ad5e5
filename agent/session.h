/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state that agent.c (policyd and lifetime) and session.c (server) share.
 */
#ifndef AGENT_SESSION_H
#define AGENT_SESSION_H

#include "agent/address.h"
#include "agent/agent_config.h"
#include "agent/backoff.h"
#include "agent/enroll.h"
#include "agent/policyd_client.h"
#include "agent/protocol.h"
#include "agent/worker.h"
#include "lib/json.h"

#include <systemd/sd-event.h>

/* The purpose of an answer of Status. */
enum { FOR_CONNECT = 1, FOR_HELLO = 2, FOR_REPORT = 4 };

struct agent {
	const struct agent_config *conf;
	sd_event *event;
	sd_event_source *reconnect, *tick;
	struct identity *id;
	struct transport *transport;
	struct policyd_client *policyd;
	struct chunk_download *fetch;
	json_t *inventory;

	bool has_policyd;
	json_t *status; /* policyd's last; NULL: none yet */
	unsigned int status_for;
	bool is_enrolling, is_finishing;
	struct enroll_request request;
	struct worker *enrollment, *renewal, *lookup; /* NULL: none */

	struct transport_peer *peer; /* NULL: not enrolled */
	struct http_multi *gets;     /* there if peer is */
	bool is_connecting;	     /* from the look-up on */
	struct address_list address;
	unsigned int next_address;
	struct protocol *protocol; /* NULL: not connected */
	uint64_t opened, hello, progress;
	struct backoff backoff, renew_backoff;
	uint64_t renew_not_before;
};

/* Requests policyd's status, unless a request is in progress. */
void session_request_status(struct agent *a, unsigned int what_for);

/*
 * Connects if there is an enrollment that policyd has too, and no connection.
 */
void session_connect(struct agent *a);
bool session_may_connect(const struct agent *a);
void session_disconnect(struct agent *a);
/*
 * policyd did not answer. A new connection repeats the requests, and the server
 * repeats what was not answered.
 */
void session_restart(struct agent *a);

/* The timer's callback: the next try is due. */
int session_on_reconnect_timer(sd_event_source *s, uint64_t usec, void *user);

/* Sends the hello (again) with the last status. Requires a->protocol. */
void session_send_hello(struct agent *a);

/*
 * Discards all state of the old identity. Must not be called from
 * transport_service() or a callback of http_multi.
 */
void session_drop_peer(struct agent *a);

#endif
