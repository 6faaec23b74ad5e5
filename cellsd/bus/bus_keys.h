/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of org.cells.Device1 that carry passcodes, keys and secrets. */
#ifndef CELLSD_BUS_BUS_KEYS_H
#define CELLSD_BUS_BUS_KEYS_H

#include <systemd/sd-bus.h>

#include "cellsd/storage/vp_keys.h"

struct err;
struct operations;
struct vp;
struct vp_data;

/* Each reads the rest of the call's arguments, which are sealed memfds, and
 * answers; returns 1 or a negative errno. */
int bus_keys_unlock(struct operations *o, struct vp *v, sd_bus_message *m,
		    enum vp_keys_source by, struct err *e);
int bus_keys_set_passcode(struct operations *o, struct vp *v, sd_bus_message *m,
			  struct err *e);
int bus_keys_put_secrets(struct operations *o, struct vp *v, sd_bus_message *m,
			 struct err *e);

/* Answers Lock, with the recovery slot: by it the organisation can give the
 * key back. Returns a negative errno when that did not work. */
int bus_keys_reply_locked(struct vp_data *d, struct vp *v,
			  sd_bus_message *call);

#endif
