/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for the audit, for which somebody must be there: while cells-policyd
 * is not on the bus (it restarts, it is not up yet) they wait, in their order.
 * What is more than AUDIENCE_MAX is counted and told as lost.
 */
#ifndef CELLSD_SIGNAL_QUEUE_H
#define CELLSD_SIGNAL_QUEUE_H

#include <systemd/sd-bus.h>

#define AUDIENCE_MAX 4096

struct audience;
struct err;

int audience_new(sd_bus *bus, struct audience **ret, struct err *e);
void audience_free(struct audience *a);

/* Sends a signal of Device1, now or as soon as it will be heard. */
int audience_tell(struct audience *a, sd_bus_message *signal);

#endif
