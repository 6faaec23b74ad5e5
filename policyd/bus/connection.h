/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to the system bus. Only this folder knows sd-bus: messages are
 * read whole into structs before anything is decided, and written from
 * structs.
 */
#ifndef POLICYD_BUS_CONNECTION_H
#define POLICYD_BUS_CONNECTION_H

#include <systemd/sd-event.h>

struct connection;
struct err;

/* The program exits if the connection is lost. */
int connection_open(sd_event *event, struct connection **ret, struct err *e);
/* Sends queued messages first. */
void connection_close(struct connection *c);

/* The signal Pending of org.cells.Policy1: see receipt/pending.h. Returns 0 or
 * -errno. */
int connection_signal_pending(struct connection *c, const char *word);

#endif
