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

#include "policyd/bus/device_messages.h"

struct desired_state;
struct err;
struct policyd;

/* Hears its signals from now on, as long as the bus is open. */
int device_events_subscribe(struct policyd *p, struct err *e);

/* List's answer: what changed while nobody listened. */
int device_events_handle_list(struct policyd *p, const struct device_vp *vps,
			      size_t n, struct err *e);

/* What was sent to cellsd has been applied. */
struct device_events_applied {
	const struct desired_state *state;
	uint64_t sent_ns; /* mono, of the call */
	struct device_revocation revocation;
};
int device_events_handle_applied(struct policyd *p,
				 const struct device_events_applied *a,
				 struct err *e);
/* cellsd cannot hold what is in force. */
void device_events_handle_apply_error(struct policyd *p, const struct err *why);

#endif
