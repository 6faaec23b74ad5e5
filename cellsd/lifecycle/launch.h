/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a VP, in two steps. Prepared, it has all that a running one
 * has, cgroup, namespaces, network, tree, filter, and its first process waits:
 * it is not running, no code of its own has run, and nothing is allowed to it.
 * Then it is let go. What prepares VPs ahead of their start is prestart.h.
 */
#ifndef CELLSD_LIFECYCLE_LAUNCH_H
#define CELLSD_LIFECYCLE_LAUNCH_H

#include <stdbool.h>

struct err;
struct confinement;
struct device_state;
struct foreground;
struct layer_set;
struct net;
struct vp;
struct vp_data;
struct vp_table;

/* What VPs are made of. */
struct launch {
	struct vp_table *vps;
	struct layer_set *layers;
	struct vp_data *vp_data;
	struct net *net;
	const struct confinement *confinement;
	const struct device_state *device;
	struct foreground *foreground;
	int stage, cgroup; /* folders */
	bool has_ksm;
};

/* Could it be made, as far as its config goes? err.vp-state */
int launch_check_config(const struct launch *l, const struct vp *v,
			struct err *e);

/* v->prepared. err.vp-state: not in its state, not by its config, or its data
 * is not to be had. */
int launch_prepare(const struct launch *l, struct vp *v, struct err *e);

/* Is it prepared, just as it would be made now? */
bool launch_is_current(const struct vp *v);

/*
 * v->run, in the background: starts what is prepared and current, or
 * prepares it first. On failure nothing is left.
 */
int launch_start(const struct launch *l, struct vp *v, struct err *e);

/* Ends what is prepared: nothing of it holds the VP's data any more. It is not
 * current then, and launch_undo() is left to do. */
void launch_kill_prepared(struct vp *v);
/* Undoes what is made of it, also half of it. */
void launch_undo(const struct launch *l, struct vp *v);

/* After a restart: undoes what the last daemon had prepared. */
void launch_remove_stale(const struct launch *l, struct vp *v);

#endif
