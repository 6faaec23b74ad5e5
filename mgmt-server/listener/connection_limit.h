/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open connections: each port has its own number of them, and one address its
 * part of it; at the devices' port until the certificate is known, since a
 * whole fleet may come through one address.
 */
#ifndef MGMT_SERVER_LISTENER_CONNECTION_LIMIT_H
#define MGMT_SERVER_LISTENER_CONNECTION_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct lws;
struct settings;

#define CONNECTION_LIMIT_BUCKETS 4096

/* Counts by address, in a table of fixed size: two that fall on one place share
 * it, which makes a limit stricter, never laxer. All zero but for the first
 * two. */
struct connection_limit {
	const struct settings *conf;
	uint64_t *metrics; /* of both ports together */
	uint64_t open[2];  /* connections: administrators', devices' */
	uint64_t seed;
	uint32_t place[CONNECTION_LIMIT_BUCKETS];
};

/* May one more come on that socket? */
bool connection_limit_has_room(struct connection_limit *l, bool is_device,
			       int fd);
/* It came (false: no memory), and it went; its device is known. */
bool connection_limit_add(struct connection_limit *l, bool is_device,
			  struct lws *wsi);
void connection_limit_remove(struct lws *wsi);
void connection_limit_uncount_address(struct lws *wsi);

/* A number for the connection's server; 0 at first. */
uintptr_t connection_limit_get_note(struct lws *wsi);
void connection_limit_set_note(struct lws *wsi, uintptr_t note);

#endif
