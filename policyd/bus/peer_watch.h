/* SPDX-License-Identifier: Apache-2.0 */
/* Watches a peer until it leaves the bus. */
#ifndef POLICYD_BUS_PEER_WATCH_H
#define POLICYD_BUS_PEER_WATCH_H

struct connection;
struct peer_watch;

/* `name` is a unique name. `gone` is called once, after the peer has left.
 * NULL: no memory. */
struct peer_watch *peer_watch_new(struct connection *c, const char *name,
				  void (*gone)(void *arg), void *arg);
void peer_watch_free(struct peer_watch *w);

#endif
