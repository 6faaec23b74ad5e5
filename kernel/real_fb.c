// SPDX-License-Identifier: GPL-2.0-only
/*
 * The real framebuffer behind the namespaces' own. Pixels are copied into its
 * memory; where a driver of DRM keeps a shadow of it, the shadow is flushed
 * before the lock is let go, so the order of the lock is the order on the
 * screen.
 */
#include "real_fb.h"

#include "compat.h"
#include "devns.h"
#include "real_device.h"
#include "scanout.h"

#include <drm/drm_fb_helper.h>
#include <linux/console.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kref.h>
#include <linux/major.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/vmalloc.h>

/* Whether the real framebuffer is lit is not known. */
#define BLANK_UNKNOWN (-1)

struct devns_real_fb {
	struct kref ref;
	struct mutex lock;
	struct file *file;
	struct fb_info *info; /* NULL: closed */
	struct fb_var_screeninfo var;
	struct fb_fix_screeninfo fix;
	u32 row_bytes;
	bool io;     /* its memory is the device's */
	bool drm;    /* its driver is one of DRM */
	bool shadow; /* its memory is one, and has to be flushed */
	bool taken;  /* from the host */
	bool stale;  /* the screen may not show what its memory holds */
	int blank;   /* what the real one was set to last, by anybody */
	struct devns_fb_state *front;
	void *host_rows;
	struct fb_cmap host_cmap;
	struct notifier_block blanked;
	struct list_head link; /* real_fbs */
};

/*
 * For the one power-management notifier, which is not registered with each
 * framebuffer: that would order devns_mutex before the notifiers' lock.
 */
static DEFINE_MUTEX(real_fbs_lock);
static LIST_HEAD(real_fbs);

const struct fb_var_screeninfo *
devns_real_fb_get_var(const struct devns_real_fb *fb)
{
	return &fb->var;
}

const struct fb_fix_screeninfo *
devns_real_fb_get_fix(const struct devns_real_fb *fb)
{
	return &fb->fix;
}

int devns_real_fb_get_cmap_len(const struct devns_real_fb *fb)
{
	return fb->host_cmap.len;
}

/*
 * Not so when the driver was unbound under us: our open file keeps the memory,
 * but there is no device behind it (unregister_framebuffer() forgets that
 * first); nor when the host has set another mode.
 */
static bool is_real_fb_usable(const struct devns_real_fb *fb)
{
	const struct fb_info *info = fb->info;

	return info && READ_ONCE(info->dev) && info->var.xres == fb->var.xres &&
	       info->var.yres == fb->var.yres &&
	       info->var.bits_per_pixel == fb->var.bits_per_pixel &&
	       info->fix.line_length == fb->fix.line_length;
}

/* The host may have panned: what is on the screen begins here. */
static u8 *get_screen_row(const struct devns_real_fb *fb, u32 row)
{
	const struct fb_var_screeninfo *var = &fb->info->var;
	u32 yoffset = min(var->yoffset, var->yres_virtual - fb->var.yres);

	return (u8 __force *)fb->info->screen_base +
	       (size_t)(yoffset + row) * fb->fix.line_length +
	       (size_t)var->xoffset * (fb->var.bits_per_pixel / 8);
}

static bool write_screen_row(const struct devns_real_fb *fb, u32 row,
			     const void *src)
{
	u8 *dst = get_screen_row(fb, row);

	if (fb->io) {
		if (src)
			memcpy_toio((void __iomem __force *)dst, src,
				    fb->row_bytes);
		else
			memset_io((void __iomem __force *)dst, 0,
				  fb->row_bytes);
		return true;
	}
	if (!src) {
		memset(dst, 0, fb->row_bytes);
		return true;
	}
	/* To find a row unchanged is cheaper than to flush it. */
	if (!memcmp(dst, src, fb->row_bytes))
		return false;
	memcpy(dst, src, fb->row_bytes);
	return true;
}

/*
 * What a program's own drawing does in the end, but now and not some time: the
 * damage is handed to the helper's worker, and waited for.
 */
static void flush_shadow_rows(const struct devns_real_fb *fb, u32 first,
			      u32 end)
{
	struct drm_fb_helper *helper;
	struct drm_clip_rect *clip;
	unsigned long flags;

	if (!fb->shadow || first >= end)
		return;
	helper = fb->info->par;
	clip = &helper->damage_clip;
	spin_lock_irqsave(&helper->damage_lock, flags);
	clip->x1 = 0;
	clip->y1 = min_t(u32, clip->y1, first + fb->info->var.yoffset);
	clip->x2 = max_t(u32, clip->x2, fb->info->var.xres_virtual);
	clip->y2 = max_t(u32, clip->y2, end + fb->info->var.yoffset);
	spin_unlock_irqrestore(&helper->damage_lock, flags);
	schedule_work(&helper->damage_work);
	flush_work(&helper->damage_work);
}

/* Rows first..end-1 of the screen, from src (a row NULL: black). */
static void write_screen_rows(struct devns_real_fb *fb, u32 first, u32 end,
			      const u8 *src)
{
	u32 low = end, high = first;
	u32 row;

	for (row = first; row < end; row++) {
		if (write_screen_row(fb, row, src))
			high = row + 1;
		if (high == row + 1 && low == end)
			low = row;
		if (src)
			src += fb->fix.line_length;
	}
	if (fb->stale) {
		low = 0;
		high = fb->var.yres;
		fb->stale = false;
	}
	flush_shadow_rows(fb, low, high);
}

static void draw_state_rows(struct devns_real_fb *fb,
			    const struct devns_fb_state *state, u32 first,
			    u32 end)
{
	const u8 *src = NULL;

	if (state && !state->hidden)
		src = (const u8 *)state->mem +
		      (size_t)(state->top + first) * fb->fix.line_length;
	write_screen_rows(fb, first, end, src);
}

static void set_real_fb_blank(struct devns_real_fb *fb, int blank)
{
	if (READ_ONCE(fb->blank) == blank)
		return;
	console_lock();
	lock_fb_info(fb->info);
	fb_blank(fb->info, blank);
	unlock_fb_info(fb->info);
	console_unlock();
	WRITE_ONCE(fb->blank, blank);
	/* Some drivers clear the screen on the way, bochs for one. */
	if (blank == FB_BLANK_UNBLANK)
		flush_shadow_rows(fb, 0, fb->var.yres);
}

/* The host's console and programs darken the screen as well; no locks here. */
static int handle_blank_event(struct notifier_block *nb, unsigned long event,
			      void *data)
{
	struct devns_real_fb *fb =
		container_of(nb, struct devns_real_fb, blanked);
	const struct fb_event *blanked = data;

	if (event == FB_EVENT_BLANK && blanked->info == fb->info)
		WRITE_ONCE(fb->blank, *(const int *)blanked->data);
	return NOTIFY_DONE;
}

/* Of a screen whose pixels are colours by themselves, only fbcon has a map. */
static void set_real_fb_cmap(struct devns_real_fb *fb, struct fb_cmap *cmap)
{
	if (fb->fix.visual == FB_VISUAL_TRUECOLOR)
		return;
	lock_fb_info(fb->info);
	fb_set_cmap(cmap, fb->info);
	unlock_fb_info(fb->info);
}

/* Suspended, fbcon paints nothing: no text and no cursor over a frame. */
static void pause_console(struct devns_real_fb *fb, bool suspend)
{
	console_lock();
	fb_set_suspend(fb->info, suspend);
	console_unlock();
}

static void save_host_screen(struct devns_real_fb *fb)
{
	u8 *to = fb->host_rows;
	u32 row;

	pause_console(fb, true);
	fb_copy_cmap(&fb->info->cmap, &fb->host_cmap);
	for (row = 0; row < fb->var.yres; row++, to += fb->fix.line_length)
		if (fb->io)
			memcpy_fromio(
				to,
				(void __iomem __force *)get_screen_row(fb, row),
				fb->row_bytes);
		else
			memcpy(to, get_screen_row(fb, row), fb->row_bytes);
	if (!COMPAT_HAS_FB_EVENT_BLANK)
		fb->blank = BLANK_UNKNOWN;
	/* What the host drew last may wait for its flush, or never get one. */
	fb->stale = true;
	fb->taken = true;
}

/* The whole screen with its settings; dark before, lit after the pixels. */
static void show_foreground(struct devns_real_fb *fb)
{
	struct devns_fb_state *state = fb->front;
	int blank = state && !state->hidden ? state->blank : FB_BLANK_UNBLANK;

	if (blank != FB_BLANK_UNBLANK)
		set_real_fb_blank(fb, blank);
	if (state && !state->hidden)
		set_real_fb_cmap(fb, &state->cmap);
	draw_state_rows(fb, state, 0, fb->var.yres);
	set_real_fb_blank(fb, blank);
}

void devns_real_fb_clear_foreground(struct devns_real_fb *fb)
{
	mutex_lock(&fb->lock);
	fb->front = NULL;
	mutex_unlock(&fb->lock);
}

void devns_real_fb_set_foreground(struct devns_real_fb *fb,
				  struct devns_fb_state *state)
{
	mutex_lock(&fb->lock);
	fb->front = state;
	if (is_real_fb_usable(fb)) {
		if (!fb->taken)
			save_host_screen(fb);
		show_foreground(fb);
	}
	mutex_unlock(&fb->lock);
}

static void restore_host_screen(struct devns_real_fb *fb)
{
	fb->taken = false;
	set_real_fb_cmap(fb, &fb->host_cmap);
	write_screen_rows(fb, 0, fb->var.yres, fb->host_rows);
	set_real_fb_blank(fb, FB_BLANK_UNBLANK);
	pause_console(fb, false);
}

void devns_real_fb_restore_host(struct devns_real_fb *fb)
{
	mutex_lock(&fb->lock);
	fb->front = NULL;
	if (is_real_fb_usable(fb) && fb->taken)
		restore_host_screen(fb);
	mutex_unlock(&fb->lock);
}

/* Under the lock. A card without a driver of DRM shows nothing else. */
static bool is_scanout_ours(const struct devns_real_fb *fb)
{
	return !is_real_fb_usable(fb) || !fb->drm ||
	       devns_scanout_is_ours(fb->info->par);
}

bool devns_real_fb_get_master(struct devns_real_fb *fb,
			      struct devns_drm_master *ret)
{
	bool held;

	mutex_lock(&fb->lock);
	held = !is_scanout_ours(fb) &&
	       devns_scanout_get_master(fb->info->par, ret);
	mutex_unlock(&fb->lock);
	return held;
}

int devns_real_fb_claim_scanout(struct devns_real_fb *fb)
{
	int err = 0;

	mutex_lock(&fb->lock);
	if (!is_scanout_ours(fb)) {
		/* A program that is master no more may have left its frame.
		 */
		console_lock();
		lock_fb_info(fb->info);
		fb->info->fbops->fb_set_par(fb->info);
		unlock_fb_info(fb->info);
		console_unlock();
		fb->stale = true;
		err = is_scanout_ours(fb) ? 0 : -EBUSY;
	}
	mutex_unlock(&fb->lock);
	return err;
}

void devns_real_fb_draw(struct devns_real_fb *fb, struct devns_fb_state *state,
			u32 first, u32 end)
{
	mutex_lock(&fb->lock);
	if (fb->front == state && !state->hidden && is_real_fb_usable(fb)) {
		first = max(first, state->top) - state->top;
		end = end > state->top ? min(end - state->top, fb->var.yres)
				       : 0;
		if (first < end)
			draw_state_rows(fb, state, first, end);
	}
	mutex_unlock(&fb->lock);
}

void devns_real_fb_pan(struct devns_real_fb *fb, struct devns_fb_state *state,
		       u32 top)
{
	mutex_lock(&fb->lock);
	state->top = top;
	if (fb->front == state && !state->hidden && is_real_fb_usable(fb))
		draw_state_rows(fb, state, 0, fb->var.yres);
	mutex_unlock(&fb->lock);
}

void devns_real_fb_blank(struct devns_real_fb *fb, struct devns_fb_state *state,
			 int blank)
{
	mutex_lock(&fb->lock);
	state->blank = blank;
	if (fb->front == state && !state->hidden && is_real_fb_usable(fb))
		set_real_fb_blank(fb, blank);
	mutex_unlock(&fb->lock);
}

int devns_real_fb_set_cmap(struct devns_real_fb *fb,
			   struct devns_fb_state *state,
			   const struct fb_cmap *cmap)
{
	int err;

	mutex_lock(&fb->lock);
	err = fb_copy_cmap(cmap, &state->cmap);
	if (!err && fb->front == state && !state->hidden &&
	    is_real_fb_usable(fb))
		set_real_fb_cmap(fb, &state->cmap);
	mutex_unlock(&fb->lock);
	return err;
}

void devns_real_fb_get_cmap(struct devns_real_fb *fb,
			    const struct devns_fb_state *state,
			    struct fb_cmap *ret)
{
	mutex_lock(&fb->lock);
	fb_copy_cmap(&state->cmap, ret);
	mutex_unlock(&fb->lock);
}

void devns_real_fb_hide(struct devns_real_fb *fb, struct devns_fb_state *state,
			bool hidden)
{
	mutex_lock(&fb->lock);
	state->hidden = hidden;
	if (fb->front == state && is_real_fb_usable(fb))
		show_foreground(fb);
	mutex_unlock(&fb->lock);
}

void devns_real_fb_detach(struct devns_real_fb *fb,
			  const struct devns_fb_state *state)
{
	mutex_lock(&fb->lock);
	if (fb->front == state) {
		fb->front = NULL;
		if (is_real_fb_usable(fb))
			show_foreground(fb);
	}
	mutex_unlock(&fb->lock);
}

static void reclaim_after_resume(struct devns_real_fb *fb)
{
	mutex_lock(&fb->lock);
	if (fb->taken && is_real_fb_usable(fb)) {
		if (fb->drm)
			flush_work(&((struct drm_fb_helper *)fb->info->par)
					    ->resume_work);
		pause_console(fb, true);
		/* The driver lights the screen as well. */
		WRITE_ONCE(fb->blank, BLANK_UNKNOWN);
		fb->stale = true;
		show_foreground(fb);
	}
	mutex_unlock(&fb->lock);
}

/* Resuming the device resumes fbcon as well: take the screen from it again. */
static int handle_pm_event(struct notifier_block *nb, unsigned long event,
			   void *data)
{
	struct devns_real_fb *fb;

	if (event != PM_POST_SUSPEND && event != PM_POST_HIBERNATION)
		return NOTIFY_DONE;
	mutex_lock(&real_fbs_lock);
	list_for_each_entry (fb, &real_fbs, link)
		reclaim_after_resume(fb);
	mutex_unlock(&real_fbs_lock);
	return NOTIFY_OK;
}

static struct notifier_block pm_notifier = {
	.notifier_call = handle_pm_event,
};

int devns_real_fb_init(void)
{
	return register_pm_notifier(&pm_notifier);
}

void devns_real_fb_exit(void)
{
	unregister_pm_notifier(&pm_notifier);
}

static int check_fb_supported(struct netlink_ext_ack *ack,
			      const struct fb_info *info)
{
	const struct fb_var_screeninfo *var = &info->var;
	const struct fb_fix_screeninfo *fix = &info->fix;

	if (!info->screen_base) {
		NL_SET_ERR_MSG(ack, "it has no memory to copy to");
		return -EOPNOTSUPP;
	}
	if (fix->type != FB_TYPE_PACKED_PIXELS || !var->bits_per_pixel ||
	    var->bits_per_pixel % 8) {
		NL_SET_ERR_MSG(ack, "pixels are not whole bytes in a row");
		return -EOPNOTSUPP;
	}
	if ((u64)var->yres * fix->line_length > SZ_512M) {
		NL_SET_ERR_MSG(ack, "its screen is too large");
		return -EOPNOTSUPP;
	}
	if (!var->xres || !var->yres || var->yres_virtual < var->yres ||
	    var->xres_virtual < var->xres ||
	    (u64)var->xres_virtual * (var->bits_per_pixel / 8) >
		    fix->line_length ||
	    (u64)var->yres_virtual * fix->line_length > fix->smem_len) {
		NL_SET_ERR_MSG(ack, "its memory is smaller than its screen");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* How the driver hears of what was drawn: DRM's worker, or it need not. */
static int detect_flush_method(struct devns_real_fb *fb,
			       struct netlink_ext_ack *ack)
{
	fb->drm = compat_is_drm_fb(fb->info);
	fb->shadow = fb->drm && fb->info->fbdefio;
	if (fb->drm || !fb->info->fbdefio)
		return 0;
	NL_SET_ERR_MSG(ack, "its driver has a deferred I/O of its own");
	return -EOPNOTSUPP;
}

static int read_fb_geometry(struct devns_real_fb *fb,
			    struct netlink_ext_ack *ack)
{
	struct fb_info *info = fb->file->private_data;
	int err;

	fb->info = info;
	err = check_fb_supported(ack, info);
	if (!err)
		err = detect_flush_method(fb, ack);
	if (err)
		return err;
	fb->var = info->var;
	fb->fix = info->fix;
	fb->row_bytes = fb->var.xres * (fb->var.bits_per_pixel / 8);
	fb->io = !(info->flags & FBINFO_VIRTFB);
	fb->host_rows = vmalloc(array_size(fb->var.yres, fb->fix.line_length));
	if (!fb->host_rows)
		return -ENOMEM;
	err = fb_alloc_cmap(&fb->host_cmap, max_t(int, info->cmap.len, 16), 0);
	if (err)
		return err;
	return fb_copy_cmap(&info->cmap, &fb->host_cmap);
}

int devns_real_fb_open(dev_t devt, struct devns_real_fb **ret,
		       struct netlink_ext_ack *ack)
{
	struct devns_real_fb *fb;
	int err;

	if (MAJOR(devt) != FB_MAJOR) {
		NL_SET_ERR_MSG(ack, "the device is not a framebuffer");
		return -EINVAL;
	}
	fb = kzalloc(sizeof(*fb), GFP_KERNEL);
	if (!fb)
		return -ENOMEM;
	kref_init(&fb->ref);
	mutex_init(&fb->lock);
	fb->blank = BLANK_UNKNOWN;
	fb->file = devns_real_device_open(devt, O_RDWR);
	if (IS_ERR(fb->file)) {
		NL_SET_ERR_MSG(ack, "the framebuffer cannot be opened");
		err = PTR_ERR(fb->file);
		fb->file = NULL;
	} else {
		err = read_fb_geometry(fb, ack);
	}
	if (err) {
		devns_real_fb_put(fb);
		return err;
	}
	fb->blanked.notifier_call = handle_blank_event;
	fb_register_client(&fb->blanked);
	mutex_lock(&real_fbs_lock);
	list_add(&fb->link, &real_fbs);
	mutex_unlock(&real_fbs_lock);
	*ret = fb;
	return 0;
}

struct devns_real_fb *devns_real_fb_ref(struct devns_real_fb *fb)
{
	kref_get(&fb->ref);
	return fb;
}

static void free_real_fb(struct kref *ref)
{
	struct devns_real_fb *fb = container_of(ref, struct devns_real_fb, ref);

	if (fb->file)
		fput(fb->file);
	fb_dealloc_cmap(&fb->host_cmap);
	vfree(fb->host_rows);
	mutex_destroy(&fb->lock);
	kfree(fb);
}

void devns_real_fb_put(struct devns_real_fb *fb)
{
	kref_put(&fb->ref, free_real_fb);
}

void devns_real_fb_close(struct devns_real_fb *fb)
{
	struct file *file;

	fb_unregister_client(&fb->blanked);
	mutex_lock(&real_fbs_lock);
	list_del(&fb->link);
	mutex_unlock(&real_fbs_lock);
	mutex_lock(&fb->lock);
	fb->front = NULL;
	if (is_real_fb_usable(fb) && fb->taken)
		restore_host_screen(fb);
	file = fb->file;
	fb->file = NULL;
	fb->info = NULL;
	mutex_unlock(&fb->lock);
	fput(file);
	devns_real_fb_put(fb);
}
