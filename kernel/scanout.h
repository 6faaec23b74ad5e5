/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a display's driver puts on the screen. A program of the host that is
 * master of the card shows its own buffers; then what is drawn to the
 * framebuffer is drawn, and seen by nobody.
 */
#ifndef DEVNS_SCANOUT_H
#define DEVNS_SCANOUT_H

#include <linux/sched.h>
#include <linux/types.h>

struct drm_fb_helper;

/* A program that shows something of its own. */
struct devns_drm_master {
	pid_t pid; /* in the initial namespace */
	char comm[TASK_COMM_LEN];
};

/* Whether each display in use shows the framebuffer's memory. */
bool devns_scanout_is_ours(struct drm_fb_helper *helper);
/* Who is master of the card, if somebody is. */
bool devns_scanout_get_master(struct drm_fb_helper *helper,
			      struct devns_drm_master *ret);

#endif
