/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of cells.v1 (schema/ws/cells.v1.md) for one connection. It
 * takes messages and answers, and returns what to send and to request. It does
 * no I/O and uses no clock, so that the agent, the simulator, the tests and the
 * fuzzer run the same code.
 *
 * No state here must be kept: the server sends a command until it is answered,
 * and cells-policyd keeps receipts and audit records until the server has
 * acknowledged them.
 */
#ifndef AGENT_PROTOCOL_H
#define AGENT_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/json.h"

#define PROTOCOL_NAME "cells.v1"
#define PROTOCOL_PATH "/v1/device"
#define PROTOCOL_CHUNK_PATH "/v1/chunks/" /* and "sha256:<hex>" */
#define PROTOCOL_MESSAGE_MAX (1024 * 1024)
#define PROTOCOL_RECEIPTS_MAX 100	/* in one message */
#define PROTOCOL_QUEUE_MAX 4096		/* envelopes not submitted yet */
#define PROTOCOL_QUEUE_BYTES (32 << 20) /* and their size */

struct err;
struct protocol;

enum protocol_stream {
	PROTOCOL_RECEIPTS,
	PROTOCOL_AUDIT,
	PROTOCOL_STREAM_COUNT,
};
const char *protocol_stream_name(enum protocol_stream s);

/*
 * The operations that the state machine requests. None of them may call back
 * into it before it returns.
 */
struct protocol_ops {
	/* A message for the server. */
	void (*send)(void *user, const char *text, size_t len);
	/* Submit this to policyd; protocol_submitted() returns the answer. */
	void (*submit)(void *user, const char *envelope, size_t len);
	/* Ask for more than `after`: protocol_send_receipts() or
	 * protocol_send_audit().
	 */
	void (*fetch)(void *user, enum protocol_stream s, uint64_t after);
	/* The server has acknowledged the entries up to seq. */
	void (*ack)(void *user, enum protocol_stream s, uint64_t seq);
	/* The newest signed entries that the server holds of this device, as
	 * envelopes (NULL: none); protocol_resumed() when policyd knows them.
	 */
	void (*resume)(void *user, const char *receipt, const char *head);
	/* Ask what is lacking; documents of it go to protocol_get_documents().
	 */
	void (*wants)(void *user);
	/* Ask for the status, for protocol_send_status(). */
	void (*status)(void *user);
	/*
	 * The server asks the device to wait this number of seconds; with
	 * `reconnect`, to reconnect after that.
	 */
	void (*retry)(void *user, unsigned int after, bool reconnect);
};

/*
 * The device and its state; everything is copied. `root` is the version in
 * force.
 */
struct protocol_device {
	const char *device, *epoch, *agent;
	json_t *inventory; /* object, borrowed */
	uint64_t root;
	uint64_t acked[PROTOCOL_STREAM_COUNT]; /* by the server, as far as known
						*/
};

/* Copies ops. NULL: no memory. */
struct protocol *protocol_new(const struct protocol_device *d,
			      const struct protocol_ops *ops, void *user);
void protocol_free(struct protocol *p);

/* Sends the hello with policyd's status (an object, borrowed), and starts. */
void protocol_send_hello(struct protocol *p, json_t *status);

/*
 * Processes one message from the server. -EINVAL, -EFBIG, -ENOBUFS: close the
 * connection.
 */
int protocol_receive(struct protocol *p, const char *text, size_t len,
		     struct err *e);

/* ---- answers from policyd */

/* To the last submit. */
void protocol_submitted(struct protocol *p, const char *outcome,
			const char *reason, const char *text);

struct protocol_receipt {
	uint64_t seq;
	const char *envelope;
	size_t len;
};
void protocol_send_receipts(struct protocol *p,
			    const struct protocol_receipt *r, size_t n);

/* One batch as text; len 0: there is none. */
void protocol_send_audit(struct protocol *p, const char *batch, size_t len);
/* A requested batch could not be read; it is requested again. */
void protocol_fetch_failed(struct protocol *p, enum protocol_stream which);

/* To the resume: from now on receipts and records are sent. */
void protocol_resumed(struct protocol *p);

/* Documents to get from the server, as "sha256:<hex>". */
void protocol_get_documents(struct protocol *p, const char *const *digests,
			    size_t n);

/* For display: the documents of policyd's status, and how a download goes. */
void protocol_send_status(struct protocol *p, json_t *status);
void protocol_send_progress(struct protocol *p, const char *image,
			    uint64_t done, uint64_t total);

/* A stream has new entries. */
void protocol_notify_pending(struct protocol *p, enum protocol_stream s);

/* Call once a minute: repeats requests that were not answered. */
void protocol_tick(struct protocol *p);

static inline void protocol_freep(struct protocol **p)
{
	protocol_free(*p);
}

#endif
