/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for the audit, for which somebody must be there: while cells-policyd
 * is not on the bus (it restarts, it is not up yet) they wait, in their order.
 * What is more than SIGNAL_QUEUE_MAX is counted and reported as lost.
 */
#ifndef CELLSD_BUS_SIGNAL_QUEUE_H
#define CELLSD_BUS_SIGNAL_QUEUE_H

#include <systemd/sd-bus.h>

#define SIGNAL_QUEUE_MAX 4096

struct signal_queue;
struct err;

int signal_queue_new(sd_bus *bus, struct signal_queue **ret, struct err *e);
void signal_queue_free(struct signal_queue *a);

/* Sends a signal of Device1, now or as soon as it will be heard. */
int signal_queue_send(struct signal_queue *a, sd_bus_message *signal);

#endif
