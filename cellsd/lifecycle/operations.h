/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bus asks of the device, each from its checks to its end; what takes
 * longer ends later, and the caller is answered then.
 */
#ifndef CELLSD_LIFECYCLE_OPERATIONS_H
#define CELLSD_LIFECYCLE_OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cellsd/lifecycle/host_callbacks.h"
#include "cellsd/storage/vp_keys.h"
#include "cellsd/vp/vp_table.h"

struct foreground;
struct key_eviction;
struct launch;
struct prestart;
struct running;
struct secure_memory;

struct operations {
	const struct launch *launch;
	struct running *running;
	struct foreground *foreground;
	const struct key_eviction *key_eviction;
	struct prestart *prestart;
	const struct host_callbacks *callbacks;
	struct host_revoked revoked; /* by the last Apply */
};

/* The desired state: o->revoked and *ret_ns (of the kernel's last switch). */
int operations_apply(struct operations *o, struct vp_table_desired *w,
		     const char *cause, uint64_t arrival_ns, uint64_t *ret_ns,
		     struct err *e);
int operations_drop_layer(struct operations *o, const char *digest,
			  struct err *e);
/* A layer came or a config: starts what is to run from boot on and can. */
void operations_auto_start(struct operations *o);

/*
 * Each calls fn once, now or later; returns <0 without calling it when the
 * operation is refused at once.
 */
int operations_stop_vp(struct operations *o, struct vp *v, vp_done_fn *fn,
		       void *arg, struct err *e);
int operations_lock_vp(struct operations *o, struct vp *v, vp_done_fn *fn,
		       void *arg, struct err *e);
/* The same where nobody waits for it: an idle_lock_fn. */
void operations_lock_idle_vp(void *arg, struct vp *v);
int operations_erase_vp(struct operations *o, struct vp *v, const char *command,
			bool remove, vp_done_fn *fn, void *arg, struct err *e);
int operations_unlock_vp(struct operations *o, struct vp *v,
			 enum vp_keys_source by,
			 const struct secure_memory *secret, struct err *e);
/* Not of a locked VP. err.password, err.vp-state. */
int operations_set_passcode(struct operations *o, struct vp *v,
			    const struct secure_memory *old,
			    const struct secure_memory *fresh, struct err *e);

/* What the VP finds in /run/cells/secrets, now and at each start. */
int operations_put_secrets(struct operations *o, struct vp *v, const void *data,
			   size_t len, struct err *e);

#endif
