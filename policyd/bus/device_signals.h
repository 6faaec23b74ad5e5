/* SPDX-License-Identifier: Apache-2.0 */
/* The signals of org.cells.Device1, as structs. */
#ifndef POLICYD_BUS_DEVICE_SIGNALS_H
#define POLICYD_BUS_DEVICE_SIGNALS_H

#include "policyd/bus/device_messages.h"

struct connection;
struct device_signals;
struct err;

struct device_signals_handlers {
	void (*switched)(void *arg, const struct device_switch *s);
	void (*changed)(void *arg, const struct device_vp_change *c);
	void (*event)(void *arg, const struct device_event *v);
	void (*revoked)(void *arg, const struct device_revocation *r);
	void (*idle)(void *arg, const char *vp);
	void (*start_failed)(void *arg, const struct device_start_failure *f);
};

/* Hears them from now on, as long as the bus is open. The handlers are not
 * copied. What cannot be read is logged. */
int device_signals_new(struct connection *connection,
		       const struct device_signals_handlers *h, void *arg,
		       struct device_signals **ret, struct err *e);
/* After the bus is closed. */
void device_signals_free(struct device_signals *s);

static inline void device_signals_freep(struct device_signals **s)
{
	device_signals_free(*s);
}

#endif
