/* SPDX-License-Identifier: Apache-2.0 */
/* The making of a VP, from its cgroup to its init, and the undoing of it. */
#ifndef CELLSD_LAUNCH_H
#define CELLSD_LAUNCH_H

struct err;
struct host;
struct vp;

/* Could it be started, as far as its config goes? err.vp-state */
int launch_check(struct host *h, const struct vp *v, struct err *e);

/* After roster_start(). `data`: what vpdata_open() gave. */
int launch_begin(struct host *h, struct vp *v, int data, struct err *e);

/* Undoes it, also half of it. */
void launch_undo(struct host *h, struct vp *v);

#endif
