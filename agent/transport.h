/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libwebsockets for a device: one event loop, and a WebSocket for each identity
 * (a client certificate for a server). The loop can adopt the epoll descriptor
 * of another loop; the agent runs sd-event in this way.
 *
 * Callbacks come from transport_service(). A callback can close its own
 * connection.
 */
#ifndef AGENT_TRANSPORT_H
#define AGENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSPORT_HOST_MAX 120

struct err;
struct transport;
struct transport_peer;

/* loop_fd: a descriptor that is readable when the other loop has work; -1. */
int transport_new(int loop_fd, struct transport **ret, struct err *e);
/* Closes open connections without a callback. */
void transport_free(struct transport *w);

/*
 * Waits until the network, a timer or the other loop has events, and handles
 * them. -EIO: the loop is broken.
 */
int transport_service(struct transport *w);

/* The reason why a connection ended or failed. */
struct transport_end {
	int status;		  /* HTTP status; 0: none */
	unsigned int retry_after; /* seconds; 0: none was given */
	char why[160];		  /* "": as it should */
};

struct transport_identity {
	const char *host; /* verified against the server's certificate */
	uint16_t port;
	const char *ca_pem;		/* the only trust anchor */
	const char *cert_pem, *key_pem; /* the device's own */
};

struct transport_ops {
	void (*opened)(void *user);
	void (*received)(void *user, const char *text, size_t len);
	/* The WebSocket is closed; transport_open() creates a new one. */
	void (*closed)(void *user, const struct transport_end *end);
};

/* Copies its arguments. */
int transport_peer_new(struct transport *w, const struct transport_identity *id,
		       const struct transport_ops *ops, void *user,
		       struct transport_peer **ret, struct err *e);
/* Closes its connections without a callback. */
void transport_peer_free(struct transport_peer *p);

/*
 * Sets the numeric address of the host for new connections. Without it,
 * libwebsockets looks up the name and blocks the loop.
 */
void transport_peer_set_address(struct transport_peer *p, const char *address);

/* ---- the WebSocket: one at a time */

/*
 * Each failure is reported by closed(), from the next transport_service() on.
 */
void transport_open(struct transport_peer *p, const char *path,
		    const char *protocol, size_t message_max);
void transport_close(struct transport_peer *p);

/* Queues a text message. -ENOTCONN, -ENOMEM. */
int transport_send(struct transport_peer *p, const char *text, size_t len);

static inline void transport_freep(struct transport **w)
{
	transport_free(*w);
}

static inline void transport_peer_freep(struct transport_peer **p)
{
	transport_peer_free(*p);
}

#endif
