/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What cellsd reports, as receipts and audit records. Each is written in the
 * transaction that notes the new state, so that hearing it twice, or finding it
 * later in a list, makes one receipt. What a command under way is about to
 * bring is left to the command's own receipt.
 */
#ifndef POLICYD_DEVICE_EVENTS_H
#define POLICYD_DEVICE_EVENTS_H

#include <stdint.h>
#include <systemd/sd-bus.h>

struct desired_state;
struct err;
struct policyd;

/* Hears its signals from now on, as long as the bus is open. */
int device_events_subscribe(struct policyd *p, struct err *e);

/* List's answer: what changed while nobody listened. */
int device_events_handle_list(struct policyd *p, sd_bus_message *m,
			      struct err *e);

/* Apply's answer, to a call that was sent at sent_ns (mono). */
int device_events_handle_applied(struct policyd *p,
				 const struct desired_state *d,
				 sd_bus_message *m, uint64_t sent_ns,
				 const char *cause, struct err *e);
/* cellsd cannot hold what is in force. */
void device_events_handle_apply_error(struct policyd *p, const struct err *why);

#endif
