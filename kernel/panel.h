/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The real screen, of which one picture at a time is shown. A picture is a
 * namespace's own framebuffer; while none is in front, the host has the screen.
 * The panel's one lock orders drawing, its settings and switching: what is not
 * in front when it holds the lock touches no pixel.
 *
 * Locks: devns_mutex, the power notifiers' > panel's lock > console_lock > the
 * real fb_info's lock.
 * No page fault and no copy from or to user space happens under the panel's
 * lock, so it may be taken from any context that may sleep.
 */
#ifndef DEVNS_PANEL_H
#define DEVNS_PANEL_H

#include <linux/fb.h>
#include <linux/types.h>

struct devns_holder;
struct devns_panel;
struct netlink_ext_ack;

struct devns_framebuffer {
	const void *mem; /* rows of fix.line_length bytes */
	u32 top;	 /* the row of it that is the screen's first */
	int blank;	 /* FB_BLANK_* */
	bool hidden;	 /* denied: in front it is black */
	struct fb_cmap cmap;
};

int devns_panel_init(void);
void devns_panel_exit(void);

/* Opens the framebuffer. -EINVAL, -EOPNOTSUPP, -ENXIO: *ack says why. */
int devns_panel_open(dev_t devt, struct devns_panel **ret,
		     struct netlink_ext_ack *ack);
struct devns_panel *devns_panel_ref(struct devns_panel *p);
void devns_panel_put(struct devns_panel *p);
/* Gives the real device back; nothing is shown by it any more. */
void devns_panel_close(struct devns_panel *p);

/* What the screen is: xres, yres, line_length and pixels do not change. */
const struct fb_var_screeninfo *
devns_panel_get_var(const struct devns_panel *p);
const struct fb_fix_screeninfo *
devns_panel_get_fix(const struct devns_panel *p);
int devns_panel_get_cmap_len(const struct devns_panel *p);

/* Cleared, a picture draws no more; set, it is shown whole. */
void devns_panel_clear_foreground(struct devns_panel *p);
void devns_panel_set_foreground(struct devns_panel *p,
				struct devns_framebuffer *pic);
/* The host is in front again: its picture, then its console. */
void devns_panel_restore_host(struct devns_panel *p);

/* Whether a program of the host shows something else, and which. */
bool devns_panel_is_held(struct devns_panel *p, struct devns_holder *ret);
/* -EBUSY: so it is. Else the glass shows the framebuffer from now on. */
int devns_panel_claim_scanout(struct devns_panel *p);

/* Rows first..end-1 of the picture's memory were drawn. */
void devns_panel_draw(struct devns_panel *p, struct devns_framebuffer *pic,
		      u32 first, u32 end);
/* Settings of a picture, in front or not. */
void devns_panel_pan(struct devns_panel *p, struct devns_framebuffer *pic,
		     u32 top);
void devns_panel_blank(struct devns_panel *p, struct devns_framebuffer *pic,
		       int blank);
int devns_panel_set_cmap(struct devns_panel *p, struct devns_framebuffer *pic,
			 const struct fb_cmap *cmap);
void devns_panel_get_cmap(struct devns_panel *p,
			  const struct devns_framebuffer *pic,
			  struct fb_cmap *ret);
void devns_panel_hide(struct devns_panel *p, struct devns_framebuffer *pic,
		      bool hidden);
/* The picture goes away. */
void devns_panel_detach(struct devns_panel *p,
			const struct devns_framebuffer *pic);

#endif
