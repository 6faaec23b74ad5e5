// SPDX-License-Identifier: GPL-2.0
/*
 * The real framebuffer behind the namespaces' own. Pixels are copied into its
 * memory; where a driver of DRM keeps a shadow of it, the shadow is flushed
 * before the lock is let go, so the order of the lock is the order on the
 * glass.
 */
#include "panel.h"

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

struct devns_panel {
	struct kref ref;
	struct mutex lock;
	struct file *file;
	struct fb_info *real; /* NULL: closed */
	struct fb_var_screeninfo var;
	struct fb_fix_screeninfo fix;
	u32 row_bytes;
	bool io;     /* its memory is the device's */
	bool drm;    /* its driver is one of DRM */
	bool shadow; /* its memory is one, and has to be flushed */
	bool taken;  /* from the host */
	bool stale;  /* the glass may not show what its memory holds */
	int blank;   /* what the real one was set to last, by anybody */
	struct devns_framebuffer *front;
	void *host_rows;
	struct fb_cmap host_cmap;
	struct notifier_block blanked;
	struct list_head link; /* panels */
};

/*
 * For the one power-management notifier, which is not registered with each
 * panel: that would order devns_mutex before the notifiers' lock.
 */
static DEFINE_MUTEX(panels_lock);
static LIST_HEAD(panels);

const struct fb_var_screeninfo *devns_panel_get_var(const struct devns_panel *p)
{
	return &p->var;
}

const struct fb_fix_screeninfo *devns_panel_get_fix(const struct devns_panel *p)
{
	return &p->fix;
}

int devns_panel_get_cmap_len(const struct devns_panel *p)
{
	return p->host_cmap.len;
}

/*
 * Not so when the driver was unbound under us: our open file keeps the memory,
 * but there is no device behind it (unregister_framebuffer() forgets that
 * first); nor when the host has set another mode.
 */
static bool is_panel_usable(const struct devns_panel *p)
{
	const struct fb_info *real = p->real;

	return real && READ_ONCE(real->dev) && real->var.xres == p->var.xres &&
	       real->var.yres == p->var.yres &&
	       real->var.bits_per_pixel == p->var.bits_per_pixel &&
	       real->fix.line_length == p->fix.line_length;
}

/* The host may have panned: what is on the glass begins here. */
static u8 *get_screen_row(const struct devns_panel *p, u32 row)
{
	const struct fb_var_screeninfo *var = &p->real->var;
	u32 yoffset = min(var->yoffset, var->yres_virtual - p->var.yres);

	return (u8 __force *)p->real->screen_base +
	       (size_t)(yoffset + row) * p->fix.line_length +
	       (size_t)var->xoffset * (p->var.bits_per_pixel / 8);
}

static bool write_screen_row(const struct devns_panel *p, u32 row,
			     const void *src)
{
	u8 *dst = get_screen_row(p, row);

	if (p->io) {
		if (src)
			memcpy_toio((void __iomem __force *)dst, src,
				    p->row_bytes);
		else
			memset_io((void __iomem __force *)dst, 0, p->row_bytes);
		return true;
	}
	if (!src) {
		memset(dst, 0, p->row_bytes);
		return true;
	}
	/* To find a row unchanged is cheaper than to flush it. */
	if (!memcmp(dst, src, p->row_bytes))
		return false;
	memcpy(dst, src, p->row_bytes);
	return true;
}

/*
 * What a program's own drawing does in the end, but now and not some time: the
 * damage is handed to the helper's worker, and waited for.
 */
static void flush_shadow_rows(const struct devns_panel *p, u32 first, u32 end)
{
	struct drm_fb_helper *helper;
	struct drm_clip_rect *clip;
	unsigned long flags;

	if (!p->shadow || first >= end)
		return;
	helper = p->real->par;
	clip = &helper->damage_clip;
	spin_lock_irqsave(&helper->damage_lock, flags);
	clip->x1 = 0;
	clip->y1 = min_t(u32, clip->y1, first + p->real->var.yoffset);
	clip->x2 = max_t(u32, clip->x2, p->real->var.xres_virtual);
	clip->y2 = max_t(u32, clip->y2, end + p->real->var.yoffset);
	spin_unlock_irqrestore(&helper->damage_lock, flags);
	schedule_work(&helper->damage_work);
	flush_work(&helper->damage_work);
}

/* Rows first..end-1 of the screen, from src (a row NULL: black). */
static void write_screen_rows(struct devns_panel *p, u32 first, u32 end,
			      const u8 *src)
{
	u32 low = end, high = first;
	u32 row;

	for (row = first; row < end; row++) {
		if (write_screen_row(p, row, src))
			high = row + 1;
		if (high == row + 1 && low == end)
			low = row;
		if (src)
			src += p->fix.line_length;
	}
	if (p->stale) {
		low = 0;
		high = p->var.yres;
		p->stale = false;
	}
	flush_shadow_rows(p, low, high);
}

static void draw_framebuffer_rows(struct devns_panel *p,
				  const struct devns_framebuffer *pic,
				  u32 first, u32 end)
{
	const u8 *src = NULL;

	if (pic && !pic->hidden)
		src = (const u8 *)pic->mem +
		      (size_t)(pic->top + first) * p->fix.line_length;
	write_screen_rows(p, first, end, src);
}

static void set_panel_blank(struct devns_panel *p, int blank)
{
	if (READ_ONCE(p->blank) == blank)
		return;
	console_lock();
	lock_fb_info(p->real);
	fb_blank(p->real, blank);
	unlock_fb_info(p->real);
	console_unlock();
	WRITE_ONCE(p->blank, blank);
	/* Some drivers clear the glass on the way, bochs for one. */
	if (blank == FB_BLANK_UNBLANK)
		flush_shadow_rows(p, 0, p->var.yres);
}

/* The host's console and programs darken the screen as well; no locks here. */
static int handle_blank_event(struct notifier_block *nb, unsigned long event,
			      void *data)
{
	struct devns_panel *p = container_of(nb, struct devns_panel, blanked);
	const struct fb_event *blanked = data;

	if (event == FB_EVENT_BLANK && blanked->info == p->real)
		WRITE_ONCE(p->blank, *(const int *)blanked->data);
	return NOTIFY_DONE;
}

/* Of a screen whose pixels are colours by themselves, only fbcon has a map. */
static void set_panel_cmap(struct devns_panel *p, struct fb_cmap *cmap)
{
	if (p->fix.visual == FB_VISUAL_TRUECOLOR)
		return;
	lock_fb_info(p->real);
	fb_set_cmap(cmap, p->real);
	unlock_fb_info(p->real);
}

/* Suspended, fbcon paints nothing: no text and no cursor over a picture. */
static void pause_console(struct devns_panel *p, bool suspend)
{
	console_lock();
	fb_set_suspend(p->real, suspend);
	console_unlock();
}

static void save_host_screen(struct devns_panel *p)
{
	u8 *to = p->host_rows;
	u32 row;

	pause_console(p, true);
	fb_copy_cmap(&p->real->cmap, &p->host_cmap);
	for (row = 0; row < p->var.yres; row++, to += p->fix.line_length)
		if (p->io)
			memcpy_fromio(
				to,
				(void __iomem __force *)get_screen_row(p, row),
				p->row_bytes);
		else
			memcpy(to, get_screen_row(p, row), p->row_bytes);
	if (!COMPAT_BLANK_IS_TOLD)
		p->blank = BLANK_UNKNOWN;
	/* What the host drew last may wait for its flush, or never get one. */
	p->stale = true;
	p->taken = true;
}

/* The whole screen with its settings; dark before, lit after the pixels. */
static void show_foreground(struct devns_panel *p)
{
	struct devns_framebuffer *pic = p->front;
	int blank = pic && !pic->hidden ? pic->blank : FB_BLANK_UNBLANK;

	if (blank != FB_BLANK_UNBLANK)
		set_panel_blank(p, blank);
	if (pic && !pic->hidden)
		set_panel_cmap(p, &pic->cmap);
	draw_framebuffer_rows(p, pic, 0, p->var.yres);
	set_panel_blank(p, blank);
}

void devns_panel_clear_foreground(struct devns_panel *p)
{
	mutex_lock(&p->lock);
	p->front = NULL;
	mutex_unlock(&p->lock);
}

void devns_panel_set_foreground(struct devns_panel *p,
				struct devns_framebuffer *pic)
{
	mutex_lock(&p->lock);
	p->front = pic;
	if (is_panel_usable(p)) {
		if (!p->taken)
			save_host_screen(p);
		show_foreground(p);
	}
	mutex_unlock(&p->lock);
}

static void restore_host_screen(struct devns_panel *p)
{
	p->taken = false;
	set_panel_cmap(p, &p->host_cmap);
	write_screen_rows(p, 0, p->var.yres, p->host_rows);
	set_panel_blank(p, FB_BLANK_UNBLANK);
	pause_console(p, false);
}

void devns_panel_restore_host(struct devns_panel *p)
{
	mutex_lock(&p->lock);
	p->front = NULL;
	if (is_panel_usable(p) && p->taken)
		restore_host_screen(p);
	mutex_unlock(&p->lock);
}

/* Under the lock. A card without a driver of DRM has no other pictures. */
static bool is_scanout_ours(const struct devns_panel *p)
{
	return !is_panel_usable(p) || !p->drm ||
	       devns_scanout_is_ours(p->real->par);
}

bool devns_panel_is_held(struct devns_panel *p, struct devns_holder *ret)
{
	bool held;

	mutex_lock(&p->lock);
	held = !is_scanout_ours(p) &&
	       devns_scanout_get_holder(p->real->par, ret);
	mutex_unlock(&p->lock);
	return held;
}

int devns_panel_claim_scanout(struct devns_panel *p)
{
	int err = 0;

	mutex_lock(&p->lock);
	if (!is_scanout_ours(p)) {
		/* A program that is master no more may have left its picture.
		 */
		console_lock();
		lock_fb_info(p->real);
		p->real->fbops->fb_set_par(p->real);
		unlock_fb_info(p->real);
		console_unlock();
		p->stale = true;
		err = is_scanout_ours(p) ? 0 : -EBUSY;
	}
	mutex_unlock(&p->lock);
	return err;
}

void devns_panel_draw(struct devns_panel *p, struct devns_framebuffer *pic,
		      u32 first, u32 end)
{
	mutex_lock(&p->lock);
	if (p->front == pic && !pic->hidden && is_panel_usable(p)) {
		first = max(first, pic->top) - pic->top;
		end = end > pic->top ? min(end - pic->top, p->var.yres) : 0;
		if (first < end)
			draw_framebuffer_rows(p, pic, first, end);
	}
	mutex_unlock(&p->lock);
}

void devns_panel_pan(struct devns_panel *p, struct devns_framebuffer *pic,
		     u32 top)
{
	mutex_lock(&p->lock);
	pic->top = top;
	if (p->front == pic && !pic->hidden && is_panel_usable(p))
		draw_framebuffer_rows(p, pic, 0, p->var.yres);
	mutex_unlock(&p->lock);
}

void devns_panel_blank(struct devns_panel *p, struct devns_framebuffer *pic,
		       int blank)
{
	mutex_lock(&p->lock);
	pic->blank = blank;
	if (p->front == pic && !pic->hidden && is_panel_usable(p))
		set_panel_blank(p, blank);
	mutex_unlock(&p->lock);
}

int devns_panel_set_cmap(struct devns_panel *p, struct devns_framebuffer *pic,
			 const struct fb_cmap *cmap)
{
	int err;

	mutex_lock(&p->lock);
	err = fb_copy_cmap(cmap, &pic->cmap);
	if (!err && p->front == pic && !pic->hidden && is_panel_usable(p))
		set_panel_cmap(p, &pic->cmap);
	mutex_unlock(&p->lock);
	return err;
}

void devns_panel_get_cmap(struct devns_panel *p,
			  const struct devns_framebuffer *pic,
			  struct fb_cmap *ret)
{
	mutex_lock(&p->lock);
	fb_copy_cmap(&pic->cmap, ret);
	mutex_unlock(&p->lock);
}

void devns_panel_hide(struct devns_panel *p, struct devns_framebuffer *pic,
		      bool hidden)
{
	mutex_lock(&p->lock);
	pic->hidden = hidden;
	if (p->front == pic && is_panel_usable(p))
		show_foreground(p);
	mutex_unlock(&p->lock);
}

void devns_panel_detach(struct devns_panel *p,
			const struct devns_framebuffer *pic)
{
	mutex_lock(&p->lock);
	if (p->front == pic) {
		p->front = NULL;
		if (is_panel_usable(p))
			show_foreground(p);
	}
	mutex_unlock(&p->lock);
}

static void reclaim_after_resume(struct devns_panel *p)
{
	mutex_lock(&p->lock);
	if (p->taken && is_panel_usable(p)) {
		if (p->drm)
			flush_work(&((struct drm_fb_helper *)p->real->par)
					    ->resume_work);
		pause_console(p, true);
		/* The driver lights the screen as well. */
		WRITE_ONCE(p->blank, BLANK_UNKNOWN);
		p->stale = true;
		show_foreground(p);
	}
	mutex_unlock(&p->lock);
}

/* Resuming the device resumes fbcon as well: take the screen from it again. */
static int handle_pm_event(struct notifier_block *nb, unsigned long event,
			   void *data)
{
	struct devns_panel *p;

	if (event != PM_POST_SUSPEND && event != PM_POST_HIBERNATION)
		return NOTIFY_DONE;
	mutex_lock(&panels_lock);
	list_for_each_entry (p, &panels, link)
		reclaim_after_resume(p);
	mutex_unlock(&panels_lock);
	return NOTIFY_OK;
}

static struct notifier_block pm_notifier = {
	.notifier_call = handle_pm_event,
};

int devns_panel_init(void)
{
	return register_pm_notifier(&pm_notifier);
}

void devns_panel_exit(void)
{
	unregister_pm_notifier(&pm_notifier);
}

static int check_panel_supported(struct netlink_ext_ack *ack,
				 const struct fb_info *real)
{
	const struct fb_var_screeninfo *var = &real->var;
	const struct fb_fix_screeninfo *fix = &real->fix;

	if (!real->screen_base) {
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
static int detect_flush_method(struct devns_panel *p,
			       struct netlink_ext_ack *ack)
{
	p->drm = compat_is_drm_fb(p->real);
	p->shadow = p->drm && p->real->fbdefio;
	if (p->drm || !p->real->fbdefio)
		return 0;
	NL_SET_ERR_MSG(ack, "its driver has a deferred I/O of its own");
	return -EOPNOTSUPP;
}

static int read_panel_geometry(struct devns_panel *p,
			       struct netlink_ext_ack *ack)
{
	struct fb_info *real = p->file->private_data;
	int err;

	p->real = real;
	err = check_panel_supported(ack, real);
	if (!err)
		err = detect_flush_method(p, ack);
	if (err)
		return err;
	p->var = real->var;
	p->fix = real->fix;
	p->row_bytes = p->var.xres * (p->var.bits_per_pixel / 8);
	p->io = !(real->flags & FBINFO_VIRTFB);
	p->host_rows = vmalloc(array_size(p->var.yres, p->fix.line_length));
	if (!p->host_rows)
		return -ENOMEM;
	err = fb_alloc_cmap(&p->host_cmap, max_t(int, real->cmap.len, 16), 0);
	if (err)
		return err;
	return fb_copy_cmap(&real->cmap, &p->host_cmap);
}

int devns_panel_open(dev_t devt, struct devns_panel **ret,
		     struct netlink_ext_ack *ack)
{
	struct devns_panel *p;
	int err;

	if (MAJOR(devt) != FB_MAJOR) {
		NL_SET_ERR_MSG(ack, "the device is not a framebuffer");
		return -EINVAL;
	}
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	kref_init(&p->ref);
	mutex_init(&p->lock);
	p->blank = BLANK_UNKNOWN;
	p->file = devns_real_device_open(devt, O_RDWR);
	if (IS_ERR(p->file)) {
		NL_SET_ERR_MSG(ack, "the framebuffer cannot be opened");
		err = PTR_ERR(p->file);
		p->file = NULL;
	} else {
		err = read_panel_geometry(p, ack);
	}
	if (err) {
		devns_panel_put(p);
		return err;
	}
	p->blanked.notifier_call = handle_blank_event;
	fb_register_client(&p->blanked);
	mutex_lock(&panels_lock);
	list_add(&p->link, &panels);
	mutex_unlock(&panels_lock);
	*ret = p;
	return 0;
}

struct devns_panel *devns_panel_ref(struct devns_panel *p)
{
	kref_get(&p->ref);
	return p;
}

static void free_panel(struct kref *ref)
{
	struct devns_panel *p = container_of(ref, struct devns_panel, ref);

	if (p->file)
		fput(p->file);
	fb_dealloc_cmap(&p->host_cmap);
	vfree(p->host_rows);
	mutex_destroy(&p->lock);
	kfree(p);
}

void devns_panel_put(struct devns_panel *p)
{
	kref_put(&p->ref, free_panel);
}

void devns_panel_close(struct devns_panel *p)
{
	struct file *file;

	fb_unregister_client(&p->blanked);
	mutex_lock(&panels_lock);
	list_del(&p->link);
	mutex_unlock(&panels_lock);
	mutex_lock(&p->lock);
	p->front = NULL;
	if (is_panel_usable(p) && p->taken)
		restore_host_screen(p);
	file = p->file;
	p->file = NULL;
	p->real = NULL;
	mutex_unlock(&p->lock);
	fput(file);
	devns_panel_put(p);
}
