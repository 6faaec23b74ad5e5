/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The real screen, which shows one namespace's framebuffer (devns_fb_state)
 * at a time; while none is in front, the host has the screen.
 * Its one lock orders drawing, its settings and switching: what is not
 * in front when it holds the lock touches no pixel.
 *
 * Locks: devns_mutex, the power notifiers' > devns_real_fb.lock > console_lock
 * > the real fb_info's lock. No page fault and no copy from or to user space
 * happens under devns_real_fb.lock, so it may be taken from any context that
 * may sleep.
 */
#ifndef DEVNS_REAL_FB_H
#define DEVNS_REAL_FB_H

#include <linux/fb.h>
#include <linux/types.h>

struct devns_drm_master;
struct devns_real_fb;
struct netlink_ext_ack;

struct devns_fb_state {
	const void *mem; /* rows of fix.line_length bytes */
	u32 top;	 /* the row of it that is the screen's first */
	int blank;	 /* FB_BLANK_* */
	bool hidden;	 /* denied: in front it is black */
	struct fb_cmap cmap;
};

int devns_real_fb_init(void);
void devns_real_fb_exit(void);

/* Opens the framebuffer. -EINVAL, -EOPNOTSUPP, -ENXIO: *ack says why. */
int devns_real_fb_open(dev_t devt, struct devns_real_fb **ret,
		       struct netlink_ext_ack *ack);
struct devns_real_fb *devns_real_fb_ref(struct devns_real_fb *fb);
void devns_real_fb_put(struct devns_real_fb *fb);
/* Gives the real device back; nothing is shown by it any more. */
void devns_real_fb_close(struct devns_real_fb *fb);

/* What the screen is: xres, yres, line_length and pixels do not change. */
const struct fb_var_screeninfo *
devns_real_fb_get_var(const struct devns_real_fb *fb);
const struct fb_fix_screeninfo *
devns_real_fb_get_fix(const struct devns_real_fb *fb);
int devns_real_fb_get_cmap_len(const struct devns_real_fb *fb);

/* Cleared, a framebuffer draws no more; set, it is shown whole. */
void devns_real_fb_clear_foreground(struct devns_real_fb *fb);
void devns_real_fb_set_foreground(struct devns_real_fb *fb,
				  struct devns_fb_state *state);
/* The host is in front again: its screen, then its console. */
void devns_real_fb_restore_host(struct devns_real_fb *fb);

/* Whether a program of the host shows something else, and which. */
bool devns_real_fb_get_master(struct devns_real_fb *fb,
			      struct devns_drm_master *ret);
/* -EBUSY: so it is. Else the screen shows the framebuffer from now on. */
int devns_real_fb_claim_scanout(struct devns_real_fb *fb);

/* Rows first..end-1 of its memory were drawn. */
void devns_real_fb_draw(struct devns_real_fb *fb, struct devns_fb_state *state,
			u32 first, u32 end);
/* Settings of a framebuffer, in front or not. */
void devns_real_fb_pan(struct devns_real_fb *fb, struct devns_fb_state *state,
		       u32 top);
void devns_real_fb_blank(struct devns_real_fb *fb, struct devns_fb_state *state,
			 int blank);
int devns_real_fb_set_cmap(struct devns_real_fb *fb,
			   struct devns_fb_state *state,
			   const struct fb_cmap *cmap);
void devns_real_fb_get_cmap(struct devns_real_fb *fb,
			    const struct devns_fb_state *state,
			    struct fb_cmap *ret);
void devns_real_fb_hide(struct devns_real_fb *fb, struct devns_fb_state *state,
			bool hidden);
/* The framebuffer goes away. */
void devns_real_fb_detach(struct devns_real_fb *fb,
			  const struct devns_fb_state *state);

#endif
