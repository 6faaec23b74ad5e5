/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody on the bus, until it leaves it. */
#ifndef POLICYD_BUS_PEER_WATCH_H
#define POLICYD_BUS_PEER_WATCH_H

struct connection;
struct peer_watch;

/* `name` is unique on the bus; `gone` is called once, after it has left. NULL:
 * no memory. */
struct peer_watch *peer_watch_new(struct connection *c, const char *name,
				  void (*gone)(void *arg), void *arg);
void peer_watch_free(struct peer_watch *w);

#endif
