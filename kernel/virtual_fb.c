// SPDX-License-Identifier: GPL-2.0-only
/*
 * The display: each namespace has a framebuffer of the real one's geometry in
 * memory of its own. What the foreground draws is copied to the real one, what
 * a background draws stays in its memory, and neither notices which it is.
 */
#include "virtual_fb.h"

#include "compat.h"
#include "devns.h"
#include "real_device.h"

#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

/* A frame's time: so long drawing is gathered before it goes to the real
 * framebuffer. */
#define DRAW_DELAY max_t(unsigned long, HZ / 60, 1)
/* Screens of memory, so that programs can draw one and show the other. */
#define SCREENS 2

static void draw_dirty_rows(struct work_struct *work)
{
	struct devns_virtual_fb *fb = container_of(
		to_delayed_work(work), struct devns_virtual_fb, draw);
	u32 first, end;

	spin_lock(&fb->dirty_lock);
	first = fb->dirty_first;
	end = fb->dirty_end;
	fb->dirty_first = U32_MAX;
	fb->dirty_end = 0;
	spin_unlock(&fb->dirty_lock);
	if (first < end)
		devns_real_fb_draw(fb->real, &fb->state, first, end);
}

static void add_dirty_rows(struct devns_virtual_fb *fb, size_t first,
			   size_t end)
{
	u32 stride = fb->info.fix.line_length;

	spin_lock(&fb->dirty_lock);
	fb->dirty_first = min_t(u32, fb->dirty_first, first / stride);
	fb->dirty_end = max_t(u32, fb->dirty_end, DIV_ROUND_UP(end, stride));
	spin_unlock(&fb->dirty_lock);
}

void devns_virtual_fb_mark_dirty(struct devns_virtual_fb *fb, size_t first,
				 size_t end)
{
	add_dirty_rows(fb, first, end);
	schedule_delayed_work(&fb->draw, DRAW_DELAY);
}

void devns_virtual_fb_sync(struct devns_virtual_fb *fb)
{
	flush_delayed_work(&fb->info.deferred_work);
	flush_delayed_work(&fb->draw);
}

/*
 * Pages were written through a mapping; deferred I/O has gathered them for a
 * frame already. It holds a lock that page faults take, so the real
 * framebuffer's lock is left to a work of our own.
 */
static void handle_deferred_pages(struct fb_info *info, struct list_head *pages)
{
	struct devns_virtual_fb *fb =
		container_of(info, struct devns_virtual_fb, info);
	struct fb_deferred_io_pageref *ref;

	if (list_empty(pages))
		return;
	list_for_each_entry (ref, pages, list)
		add_dirty_rows(fb, ref->offset, ref->offset + PAGE_SIZE);
	mod_delayed_work(system_wq, &fb->draw, 0);
}

static void fill_screen_info(struct devns_virtual_fb *fb)
{
	const struct fb_fix_screeninfo *fix = devns_real_fb_get_fix(fb->real);
	struct fb_info *info = &fb->info;

	info->var = *devns_real_fb_get_var(fb->real);
	info->var.xres_virtual = info->var.xres;
	info->var.yres_virtual = SCREENS * info->var.yres;
	info->var.xoffset = 0;
	info->var.yoffset = 0;
	info->var.activate = 0;
	strscpy(info->fix.id, "devns", sizeof(info->fix.id));
	info->fix.type = fix->type;
	info->fix.visual = fix->visual;
	info->fix.line_length = fix->line_length;
	info->fix.ypanstep = 1;
	info->fix.smem_len =
		PAGE_ALIGN(info->var.yres_virtual * fix->line_length);
	info->fix.accel = FB_ACCEL_NONE;
	info->flags = FBINFO_VIRTFB;
}

static int allocate_fb_memory(struct devns_virtual_fb *fb)
{
	struct fb_info *info = &fb->info;
	int err;

	fb->inode = devns_real_device_new_inode();
	if (IS_ERR(fb->inode)) {
		err = PTR_ERR(fb->inode);
		fb->inode = NULL;
		return err;
	}
	err = fb_alloc_cmap(&fb->state.cmap,
			    devns_real_fb_get_cmap_len(fb->real), 0);
	if (err)
		return err;
	/* A namespace begins with the usual colours, not with the host's. */
	if (fb_default_cmap(fb->state.cmap.len))
		fb_copy_cmap(fb_default_cmap(fb->state.cmap.len),
			     &fb->state.cmap);
	info->screen_buffer = vzalloc(info->fix.smem_len);
	if (!info->screen_buffer)
		return -ENOMEM;
	fb->state.mem = info->screen_buffer;
	fb->defio.delay = DRAW_DELAY;
	fb->defio.deferred_io = handle_deferred_pages;
	info->fbdefio = &fb->defio;
	err = fb_deferred_io_init(info);
	if (err)
		info->fbdefio = NULL;
	return err;
}

static int virtual_fb_source_add(struct devns_source_device *s,
				 struct netlink_ext_ack *ack)
{
	struct devns_real_fb *real;
	int err;

	err = devns_real_fb_open(s->devt, &real, ack);
	if (err)
		return err;
	s->priv = real;
	return 0;
}

static void virtual_fb_source_del(struct devns_source_device *s)
{
	devns_real_fb_close(s->priv);
}

static int virtual_fb_endpoint_add(struct devns_endpoint *ep,
				   struct netlink_ext_ack *ack)
{
	struct devns_virtual_fb *fb = kzalloc(sizeof(*fb), GFP_KERNEL);
	int err;

	if (!fb)
		return -ENOMEM;
	mutex_init(&fb->lock);
	init_rwsem(&fb->faults);
	spin_lock_init(&fb->dirty_lock);
	fb->dirty_first = U32_MAX;
	INIT_DELAYED_WORK(&fb->draw, draw_dirty_rows);
	fb->ep = ep;
	fb->denied = true;
	fb->state.hidden = true;
	fb->real = devns_real_fb_ref(ep->source->priv);
	ep->priv = fb;
	fill_screen_info(fb);
	err = allocate_fb_memory(fb);
	if (!err)
		err = devns_cdev_add(ep, NULL, &devns_virtual_fb_fops);
	if (err)
		NL_SET_ERR_MSG(ack, "a framebuffer cannot be made");
	return err;
}

static void virtual_fb_endpoint_del(struct devns_endpoint *ep)
{
	struct devns_virtual_fb *fb = ep->priv;

	devns_real_fb_detach(fb->real, &fb->state);
	/* A screen that comes in its place begins lit. */
	devns_power_set_blank(ep->ns_id, false);
}

static void virtual_fb_endpoint_free(struct devns_endpoint *ep)
{
	struct devns_virtual_fb *fb = ep->priv;

	if (!fb)
		return;
	if (fb->info.fbdefio)
		fb_deferred_io_cleanup(&fb->info);
	cancel_delayed_work_sync(&fb->draw);
	vfree(fb->info.screen_buffer);
	fb_dealloc_cmap(&fb->state.cmap);
	iput(fb->inode);
	devns_real_fb_put(fb->real);
	kfree(fb);
}

static void virtual_fb_deny(struct devns_endpoint *ep)
{
	struct devns_virtual_fb *fb = ep->priv;

	down_write(&fb->faults);
	fb->denied = true;
	up_write(&fb->faults);
	devns_real_fb_hide(fb->real, &fb->state, true);
}

/*
 * Nothing waits in a call of ours, and one under way reaches only the
 * namespace's own memory: the mappings are all there is to take away.
 */
static void virtual_fb_drain(struct devns_endpoint *ep, unsigned long until,
			     struct devns_revoked *revoked)
{
	struct devns_virtual_fb *fb = ep->priv;

	revoked->handles = atomic_read(&ep->handles);
	revoked->mappings = atomic_read(&ep->mappings);
	unmap_mapping_range(fb->inode->i_mapping, 0, 0, 1);
}

static void virtual_fb_allow(struct devns_endpoint *ep)
{
	struct devns_virtual_fb *fb = ep->priv;

	down_write(&fb->faults);
	fb->denied = false;
	up_write(&fb->faults);
	devns_real_fb_hide(fb->real, &fb->state, false);
}

static void virtual_fb_leave(struct devns_source_device *s,
			     struct devns_endpoint *old)
{
	if (old)
		devns_real_fb_clear_foreground(s->priv);
}

static void virtual_fb_enter(struct devns_source_device *s,
			     struct devns_endpoint *new)
{
	struct devns_virtual_fb *fb = new ? new->priv : NULL;

	if (fb)
		devns_real_fb_set_foreground(s->priv, &fb->state);
	else
		devns_real_fb_restore_host(s->priv);
}

static bool virtual_fb_get_master(struct devns_source_device *s,
				  struct devns_drm_master *ret)
{
	return devns_real_fb_get_master(s->priv, ret);
}

static int virtual_fb_claim_scanout(struct devns_source_device *s)
{
	return devns_real_fb_claim_scanout(s->priv);
}

const struct devns_kind_ops devns_kind_fb = {
	.has_devt = true,
	.is_virtual = true,
	.source_add = virtual_fb_source_add,
	.source_del = virtual_fb_source_del,
	.endpoint_add = virtual_fb_endpoint_add,
	.endpoint_del = virtual_fb_endpoint_del,
	.endpoint_free = virtual_fb_endpoint_free,
	.deny = virtual_fb_deny,
	.drain = virtual_fb_drain,
	.allow = virtual_fb_allow,
	.leave = virtual_fb_leave,
	.enter = virtual_fb_enter,
	.get_master = virtual_fb_get_master,
	.claim_scanout = virtual_fb_claim_scanout,
};
