/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in front, and what the kernel lets each VP use because of that. */
#ifndef CELLSD_LIFECYCLE_FOREGROUND_H
#define CELLSD_LIFECYCLE_FOREGROUND_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cellsd/lifecycle/host_callbacks.h"

struct backend_node;
struct device_state;
struct err;
struct idle;
struct vp;
struct vp_table;

struct foreground {
	struct vp_table *vps;
	const struct device_state *device;
	const struct host_callbacks *callbacks;
	struct idle *idle;
	sd_event *loop;
	struct host_revoked switched; /* by the last switch, also in Apply */
};

/*
 * Brings the kernel to what the VP table says: first takes from all, ends or
 * counts holders (*ret), then gives. *ret_ns: CLOCK_MONOTONIC of the
 * kernel's last switch.
 */
void foreground_apply_access(struct foreground *f, const char *cause,
			     struct host_revoked *ret, uint64_t *ret_ns);

/*
 * Ends those that hold what their VP may not use now, and whose holders are to
 * be ended: after a daemon died, or a node got one more class.
 */
void foreground_revoke_handles(struct foreground *f, const char *cause);

/* The same of nodes that no class names any more, whatever a VP may use. */
void foreground_revoke_nodes(struct foreground *f,
			     const struct backend_node *nodes, size_t n,
			     const char *cause);

/* Puts a VP that is being made under the backend, with nothing allowed. */
int foreground_attach_vp(struct foreground *f, const struct vp *v,
			 struct err *e);
/* Before it is let go: gives it what it may use. */
int foreground_grant_access(struct foreground *f, struct vp *v, struct err *e);
/* Nothing of it runs any more. */
void foreground_detach_vp(struct foreground *f, const struct vp *v);

/* NULL: the host. Nothing to do is not an error. */
int foreground_switch(struct foreground *f, struct vp *v, const char *cause,
		      uint64_t *ret_ns, struct err *e);

/* One of the host's key combinations was pressed, from 0: next, previous, host.
 */
void foreground_handle_hotkey(struct foreground *f, uint32_t which);

/* The running VP after (step 1) or before (-1) the one in front; or NULL. */
struct vp *foreground_find_neighbour(struct foreground *f, int step);

/* Offers v's socket to the foreground (foreground_socket.h) in its /run. */
int foreground_offer_socket(struct foreground *f, struct vp *v, int run,
			    struct err *e);

#endif
