/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's connection to the system bus and its calls to cells-policyd
 * (schema/dbus/org.cells.Policy1.xml). No call blocks: each answer is a
 * callback from the event loop.
 */
#ifndef AGENT_POLICYD_CLIENT_H
#define AGENT_POLICYD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "agent/protocol.h"

struct err;
struct policyd_client;

#define POLICYD_CLIENT_WANTS_MAX 128

struct policyd_client_want {
	const char *kind, *digest; /* "document", "chunk-list", "chunk" */
};

/* Answers. e is NULL on success. */
struct policyd_client_ops {
	/*
	 * cells-policyd appeared or disappeared; earlier calls get no answer.
	 */
	void (*present)(void *user, bool is_present);
	/* The signal Pending. */
	void (*pending)(void *user, const char *what);
	void (*status)(void *user, const char *json);
	void (*submitted)(void *user, const char *outcome, const char *reason,
			  const char *text);
	void (*receipts)(void *user, const struct protocol_receipt *r,
			 size_t n);
	void (*audit)(void *user, const void *batch, size_t len);
	void (*wants)(void *user, const struct policyd_client_want *w,
		      size_t n);
	void (*taken)(void *user, const char *digest, const struct err *e);
	/* NULL: no enrollment is under way. */
	void (*enroll)(void *user, const char *request);
	void (*enrolled)(void *user, const struct err *e);
	void (*resumed)(void *user);
	/* Receipts or audit records could not be read. */
	void (*unfetched)(void *user, enum protocol_stream s);
	/*
	 * A call other than a put failed; a status, a submit or a resume then
	 * has no answer (`lost`).
	 */
	void (*failed)(void *user, const struct err *e, bool lost);
};

/*
 * Connects to the system bus. The event loop exits with an error if the bus is
 * lost. If cells-policyd runs, `present` is called before this function
 * returns. Configures malloc for the whole process (bus_limit_memory).
 */
int policyd_client_new(sd_event *event, const struct policyd_client_ops *ops,
		       void *user, struct policyd_client **ret, struct err *e);
/* Flushes sent messages and disconnects. */
void policyd_client_free(struct policyd_client *l);

/*
 * Discards the answers to calls that were made for a connection that has ended.
 */
void policyd_client_cancel_session(struct policyd_client *l);

void policyd_client_get_status(struct policyd_client *l);
void policyd_client_submit(struct policyd_client *l, const char *envelope,
			   size_t len);
void policyd_client_get_wants(struct policyd_client *l);
void policyd_client_put_chunk(struct policyd_client *l, const char *digest,
			      int fd);
void policyd_client_fetch_stream(struct policyd_client *l,
				 enum protocol_stream s, uint64_t after);
void policyd_client_ack(struct policyd_client *l, enum protocol_stream s,
			uint64_t seq);
/* Envelopes; NULL: none. */
void policyd_client_resume(struct policyd_client *l, const char *receipt,
			   const char *head);
void policyd_client_enroll_start(struct policyd_client *l, const void *spki,
				 size_t len);
void policyd_client_enroll_finish(struct policyd_client *l, const char *answer,
				  const char *failure);

static inline void policyd_client_freep(struct policyd_client **l)
{
	policyd_client_free(*l);
}

#endif
