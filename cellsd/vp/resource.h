/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VP may have of the machine: its config's limits in the foreground; in
 * the background a part of its weights, and its programs are ended before those
 * of the VP in front when memory runs out.
 */
#ifndef CELLSD_VP_RESOURCE_H
#define CELLSD_VP_RESOURCE_H

#include <stdbool.h>

struct vp;

#define RESOURCE_BEHIND 4	/* in the background: weights by this */
#define RESOURCE_OOM_BEHIND 300 /* least oom_score_adj of programs there */

/* Limits and weights by the config and the VP's place; sets
 * v->run->unsupported_limits. */
void resource_apply_limits(const struct vp *v, bool in_front);

/* The oom score of what runs in it now; an init keeps its own. */
void resource_adjust_oom_scores(const struct vp *v, bool in_front);

#endif
