/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libwebsockets for a device: one loop, and for each identity (a client
 * certificate at a server) a WebSocket and lanes for GETs. The loop can adopt
 * another one's epoll descriptor; the agent runs sd-event so.
 *
 * Callbacks come from wire_service(); a callback may close what it is about.
 */
#ifndef AGENT_TRANSPORT_H
#define AGENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_LANES_MAX 8
#define WIRE_HOST_MAX 120

struct err;
struct wire;
struct wire_peer;
struct wire_get;

/* loop_fd: a descriptor that is readable when the other loop has work; -1. */
int wire_new(int loop_fd, struct wire **ret, struct err *e);
/* Ends what is open without a callback. */
void wire_free(struct wire *w);

/*
 * Sleeps until the network, a timer or the other loop has something, and
 * serves it. -EIO: the loop is broken.
 */
int wire_service(struct wire *w);

/* Makes the wire_service() under way, or the next one, return at once. */
void wire_wake(struct wire *w);

/* Why a connection ended or did not come about. */
struct wire_end {
	int status;		  /* HTTP status; 0: none */
	unsigned int retry_after; /* seconds; 0: none was given */
	char why[160];		  /* "": as it should */
};

struct wire_identity {
	const char *host; /* verified against the server's certificate */
	uint16_t port;
	const char *ca_pem;		/* the only trust anchor */
	const char *cert_pem, *key_pem; /* the device's own */
	unsigned int lanes;		/* GETs at once, up to WIRE_LANES_MAX */
};

struct wire_ops {
	void (*opened)(void *user);
	void (*received)(void *user, const char *text, size_t len);
	/* After it the WebSocket is gone; wire_open() makes a new one. */
	void (*closed)(void *user, const struct wire_end *end);
};

/* Copies what it is given. */
int wire_peer_new(struct wire *w, const struct wire_identity *id,
		  const struct wire_ops *ops, void *user,
		  struct wire_peer **ret, struct err *e);
/* Ends its connections without a callback. */
void wire_peer_free(struct wire_peer *p);

/* Where its host is, for connections from now on: a numeric address. Without
 * it libwebsockets looks the name up, and the loop waits for that. */
void wire_peer_at(struct wire_peer *p, const char *address);

/* ---- the WebSocket: one at a time */

/* Every failure comes as closed(), from the next wire_service() on. */
void wire_open(struct wire_peer *p, const char *path, const char *protocol,
	       size_t message_max);
void wire_close(struct wire_peer *p);

/* Queues a text message. -ENOTCONN, -ENOMEM. */
int wire_send(struct wire_peer *p, const char *text, size_t len);

/* ---- GETs */

struct wire_get_ops {
	/* The next bytes; `from_start`: these begin at 0 although an offset was
	 * asked for. Not 0: stop. */
	int (*data)(void *user, bool from_start, const void *data, size_t len);
	/* It is over and freed; good only with status 200 or 206 and no `why`.
	 */
	void (*done)(void *user, const struct wire_end *end);
};

/* From byte `offset` on. A lane takes one at a time: -EBUSY. -ENOMEM. */
int wire_get(struct wire_peer *p, unsigned int lane, const char *path,
	     uint64_t offset, const struct wire_get_ops *ops, void *user);

/* Where it is connected to, or will be. */
const char *wire_address(const struct wire_peer *p);

/* Reads are held back until wire_resume(); for a speed limit. */
void wire_pause(struct wire_peer *p);
void wire_resume(struct wire_peer *p);

static inline void wire_freep(struct wire **w)
{
	wire_free(*w);
}

static inline void wire_peer_freep(struct wire_peer **p)
{
	wire_peer_free(*p);
}

#endif
