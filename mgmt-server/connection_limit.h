/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open connections: each port has its own number of them, and one address its
 * part of it; at the devices' port until the certificate is known, since a
 * whole fleet may come through one address.
 */
#ifndef MGMT_CONNECTION_LIMIT_H
#define MGMT_CONNECTION_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct edge_port;
struct lws;

#define CONNECTION_PLACES 4096

/* Counts by address, in a table of fixed size: two that fall on one place share
 * it, which makes a limit stricter, never laxer. */
struct connection_count {
	uint64_t seed;
	uint32_t place[CONNECTION_PLACES];
};

/* May one more come on that socket? */
bool connection_admit(const struct edge_port *port, int fd);
/* It came (false: no memory), and it went; its device is known. */
bool connection_open(struct lws *wsi);
void connection_close(struct lws *wsi);
void connection_prove(struct lws *wsi);

/* A number for whoever serves the connection; 0 at first. */
uintptr_t connection_note(struct lws *wsi);
void connection_set_note(struct lws *wsi, uintptr_t note);

#endif
