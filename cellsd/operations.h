/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bus asks of the device, each from its checks to its end; what takes
 * longer ends later, and the caller is told then.
 */
#ifndef CELLSD_OPERATIONS_H
#define CELLSD_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cellsd/context.h"

/* The desired state: h->revoked and *ret_ns (of the kernel's last switch). */
int control_apply(struct host *h, struct roster_wish *w, const char *cause,
		  uint64_t arrival_ns, uint64_t *ret_ns, struct err *e);
int control_drop_layer(struct host *h, const char *digest, struct err *e);
/* A layer came or a config: starts what is to run from boot on and can. */
void control_auto_start(struct host *h);

/*
 * Each calls fn once, now or later; returns <0 without calling it when the
 * operation is refused at once.
 */
int control_stop(struct host *h, struct vp *v, host_done_fn *fn, void *arg,
		 struct err *e);
int control_lock(struct host *h, struct vp *v, host_done_fn *fn, void *arg,
		 struct err *e);
/* The same where nobody waits for it. */
void control_lock_idle(struct host *h, struct vp *v);
int control_erase(struct host *h, struct vp *v, const char *job, bool remove,
		  host_done_fn *fn, void *arg, struct err *e);
int control_unlock(struct host *h, struct vp *v, enum vpkeys_by by,
		   const struct secret *secret, struct err *e);
/* Not of a locked VP. err.password, err.vp-state. */
int control_set_passcode(struct host *h, struct vp *v, const struct secret *old,
			 const struct secret *fresh, struct err *e);

/* What the VP finds in /run/cells/secrets, now and at each start. */
int control_put_secrets(struct host *h, struct vp *v, const void *data,
			size_t len, struct err *e);

#endif
