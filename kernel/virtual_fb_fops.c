// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls on a namespace's framebuffer node: those of the kernel's own
 * framebuffers, on the namespace's memory and settings. Each asks the verdict
 * first. What would reach beyond the namespace (which framebuffer a console
 * has) is refused.
 */
#include "virtual_fb.h"

#include "compat.h"
#include "devns.h"

#include <linux/compat.h>
#include <linux/fb.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

static struct devns_virtual_fb *get_file_fb(const struct file *file)
{
	struct devns_endpoint *ep = file->private_data;

	return ep->priv;
}

static int check_fb_allowed(struct devns_virtual_fb *fb)
{
	if (READ_ONCE(fb->denied)) {
		devns_audit_deny(fb->ep);
		return -EACCES;
	}
	atomic64_inc(&fb->ep->calls);
	return 0;
}

static int fb_node_open(struct inode *inode, struct file *file)
{
	struct devns_virtual_fb *fb = get_file_fb(file);

	if (READ_ONCE(fb->denied)) {
		devns_audit_deny(fb->ep);
		return -EACCES;
	}
	/*
	 * One address space for all nodes that name this device: deferred I/O
	 * and a denial find every mapping in it.
	 */
	file->f_mapping = fb->inode->i_mapping;
	mutex_lock(&fb->lock);
	fb_deferred_io_open(&fb->info, inode, file);
	mutex_unlock(&fb->lock);
	atomic_inc(&fb->ep->handles);
	atomic64_inc(&fb->ep->opens);
	devns_audit_open(fb->ep);
	return 0;
}

static int fb_node_release(struct inode *inode, struct file *file)
{
	struct devns_virtual_fb *fb = get_file_fb(file);

	mutex_lock(&fb->lock);
	fb_deferred_io_release(&fb->info);
	mutex_unlock(&fb->lock);
	atomic_dec(&fb->ep->handles);
	devns_audit_close(fb->ep);
	return 0;
}

static ssize_t fb_node_read(struct file *file, char __user *buf, size_t count,
			    loff_t *pos)
{
	struct devns_virtual_fb *fb = get_file_fb(file);
	int err = check_fb_allowed(fb);

	return err ? err
		   : simple_read_from_buffer(buf, count, pos,
					     fb->info.screen_buffer,
					     fb->info.fix.smem_len);
}

/* A write past the end is cut, and reported as the kernel's framebuffers do. */
static ssize_t fb_node_write(struct file *file, const char __user *buf,
			     size_t count, loff_t *pos)
{
	struct devns_virtual_fb *fb = get_file_fb(file);
	size_t size = fb->info.fix.smem_len;
	loff_t at = *pos;
	ssize_t n = check_fb_allowed(fb);

	if (n)
		return n;
	if (at > size)
		return -EFBIG;
	if (count && at == size)
		return -ENOSPC;
	n = simple_write_to_buffer(fb->info.screen_buffer, size, pos, buf,
				   count);
	if (n > 0)
		devns_virtual_fb_mark_dirty(fb, at, at + n);
	return n;
}

static int fb_node_fsync(struct file *file, loff_t start, loff_t end,
			 int datasync)
{
	struct devns_virtual_fb *fb = get_file_fb(file);
	int err = check_fb_allowed(fb);

	if (!err)
		devns_virtual_fb_sync(fb);
	return err;
}

static __poll_t fb_node_poll(struct file *file, poll_table *wait)
{
	return READ_ONCE(get_file_fb(file)->denied) ? EPOLLERR | EPOLLHUP
						    : DEFAULT_POLLMASK;
}

static struct devns_virtual_fb *get_vma_fb(const struct vm_area_struct *vma)
{
	return get_file_fb(vma->vm_file);
}

static void fb_vma_open(struct vm_area_struct *vma)
{
	struct devns_virtual_fb *fb = get_vma_fb(vma);

	atomic_inc(&fb->ep->mappings);
	if (fb->defio_ops->open)
		fb->defio_ops->open(vma);
}

static void fb_vma_close(struct vm_area_struct *vma)
{
	struct devns_virtual_fb *fb = get_vma_fb(vma);

	if (fb->defio_ops->close)
		fb->defio_ops->close(vma);
	atomic_dec(&fb->ep->mappings);
}

/*
 * Maps the page here, inside the lock, and not after the return: a denial that
 * comes between would unmap too early.
 */
static vm_fault_t fb_vma_fault(struct vm_fault *vmf)
{
	struct devns_virtual_fb *fb = get_vma_fb(vmf->vma);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&fb->faults);
	if (!fb->denied)
		ret = fb->defio_ops->fault(vmf);
	if (!ret) {
		ret = vmf_insert_page(vmf->vma, vmf->address & PAGE_MASK,
				      vmf->page);
		put_page(vmf->page);
		vmf->page = NULL;
	}
	up_read(&fb->faults);
	return ret;
}

/* What it allows is mapped writable only if the page is still mapped then. */
static vm_fault_t fb_vma_mkwrite(struct vm_fault *vmf)
{
	struct devns_virtual_fb *fb = get_vma_fb(vmf->vma);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&fb->faults);
	if (!fb->denied)
		ret = fb->defio_ops->page_mkwrite(vmf);
	up_read(&fb->faults);
	return ret;
}

static const struct vm_operations_struct mapping_ops = {
	.open = fb_vma_open,
	.close = fb_vma_close,
	.fault = fb_vma_fault,
	.page_mkwrite = fb_vma_mkwrite,
};

static int fb_node_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct devns_virtual_fb *fb = get_file_fb(file);
	unsigned long pages = fb->info.fix.smem_len >> PAGE_SHIFT;
	int err = check_fb_allowed(fb);

	if (err)
		return err;
	if (vma->vm_pgoff > pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;
	err = fb_deferred_io_mmap(&fb->info, vma);
	if (err)
		return err;
	WRITE_ONCE(fb->defio_ops, vma->vm_ops);
	vma->vm_ops = &mapping_ops;
	compat_vm_flags_set(vma, VM_MIXEDMAP);
	atomic_inc(&fb->ep->mappings);
	return 0;
}

static long handle_get_var(struct devns_virtual_fb *fb, unsigned long arg)
{
	struct fb_var_screeninfo var;

	mutex_lock(&fb->lock);
	var = fb->info.var;
	mutex_unlock(&fb->lock);
	return copy_to_user((void __user *)arg, &var, sizeof(var)) ? -EFAULT
								   : 0;
}

/* The screen is what it is; what is asked for smaller is rounded up to it. */
static int round_up_screeninfo(const struct fb_var_screeninfo *now,
			       struct fb_var_screeninfo *var, u32 rows)
{
	struct fb_var_screeninfo want = *now;

	if (var->xres > now->xres || var->yres > now->yres ||
	    var->xres_virtual > now->xres || var->yres_virtual > rows ||
	    (var->bits_per_pixel && var->bits_per_pixel != now->bits_per_pixel))
		return -EINVAL;
	want.yres_virtual = max(var->yres_virtual, now->yres);
	if (var->xoffset || var->yoffset > want.yres_virtual - want.yres)
		return -EINVAL;
	want.yoffset = var->yoffset;
	want.activate = var->activate;
	*var = want;
	return 0;
}

static long handle_put_var(struct devns_virtual_fb *fb, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct fb_var_screeninfo var;
	int err;

	if (copy_from_user(&var, user, sizeof(var)))
		return -EFAULT;
	mutex_lock(&fb->lock);
	err = round_up_screeninfo(&fb->info.var, &var,
				  fb->info.fix.smem_len /
					  fb->info.fix.line_length);
	if (!err && (var.activate & FB_ACTIVATE_MASK) == FB_ACTIVATE_NOW) {
		fb->info.var.yres_virtual = var.yres_virtual;
		fb->info.var.yoffset = var.yoffset;
		devns_real_fb_pan(fb->real, &fb->state, var.yoffset);
	}
	mutex_unlock(&fb->lock);
	if (!err && copy_to_user(user, &var, sizeof(var)))
		err = -EFAULT;
	return err;
}

static long handle_pan_display(struct devns_virtual_fb *fb, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct fb_var_screeninfo var;
	int err = -EINVAL;

	if (copy_from_user(&var, user, sizeof(var)))
		return -EFAULT;
	mutex_lock(&fb->lock);
	if (!var.xoffset && !(var.vmode & FB_VMODE_YWRAP) &&
	    var.yoffset <= fb->info.var.yres_virtual - fb->info.var.yres) {
		fb->info.var.yoffset = var.yoffset;
		devns_real_fb_pan(fb->real, &fb->state, var.yoffset);
		err = 0;
	}
	mutex_unlock(&fb->lock);
	if (!err && copy_to_user(user, &var, sizeof(var)))
		err = -EFAULT;
	return err;
}

static long handle_get_fix(struct devns_virtual_fb *fb, unsigned long arg)
{
	return copy_to_user((void __user *)arg, &fb->info.fix,
			    sizeof(fb->info.fix))
		       ? -EFAULT
		       : 0;
}

static bool is_cmap_in_range(const struct devns_virtual_fb *fb,
			     const struct fb_cmap_user *user)
{
	u32 len = fb->state.cmap.len;

	return user->len && user->len <= len && user->start <= len - user->len;
}

static int copy_colours_from_user(const struct fb_cmap *map,
				  const struct fb_cmap_user *user)
{
	size_t size = map->len * sizeof(u16);

	if (copy_from_user(map->red, user->red, size) ||
	    copy_from_user(map->green, user->green, size) ||
	    copy_from_user(map->blue, user->blue, size))
		return -EFAULT;
	return 0;
}

static int copy_colours_to_user(const struct fb_cmap *map,
				const struct fb_cmap_user *user)
{
	size_t size = map->len * sizeof(u16);

	if (copy_to_user(user->red, map->red, size) ||
	    copy_to_user(user->green, map->green, size) ||
	    copy_to_user(user->blue, map->blue, size))
		return -EFAULT;
	return 0;
}

static long transfer_cmap(struct devns_virtual_fb *fb,
			  const struct fb_cmap_user *user, bool put)
{
	struct fb_cmap map = {};
	int err;

	if (!is_cmap_in_range(fb, user))
		return -EINVAL;
	err = fb_alloc_cmap(&map, user->len, 0);
	if (err)
		return err;
	map.start = user->start;
	if (put) {
		err = copy_colours_from_user(&map, user);
		if (!err)
			err = devns_real_fb_set_cmap(fb->real, &fb->state,
						     &map);
	} else {
		devns_real_fb_get_cmap(fb->real, &fb->state, &map);
		err = copy_colours_to_user(&map, user);
	}
	fb_dealloc_cmap(&map);
	return err;
}

static long handle_cmap(struct devns_virtual_fb *fb, unsigned long arg,
			bool put)
{
	struct fb_cmap_user user;

	if (copy_from_user(&user, (void __user *)arg, sizeof(user)))
		return -EFAULT;
	return transfer_cmap(fb, &user, put);
}

static long handle_get_cmap(struct devns_virtual_fb *fb, unsigned long arg)
{
	return handle_cmap(fb, arg, false);
}

static long handle_put_cmap(struct devns_virtual_fb *fb, unsigned long arg)
{
	return handle_cmap(fb, arg, true);
}

static long handle_blank(struct devns_virtual_fb *fb, unsigned long arg)
{
	if (arg > FB_BLANK_POWERDOWN)
		return -EINVAL;
	devns_real_fb_blank(fb->real, &fb->state, arg);
	devns_power_set_blank(fb->ep->ns_id, arg != FB_BLANK_UNBLANK);
	return 0;
}

/* There is no retrace to wait for in memory: a frame's time, as on a screen. */
static long handle_wait_for_vsync(struct devns_virtual_fb *fb,
				  unsigned long arg)
{
	schedule_timeout_interruptible(max(HZ / 60, 1));
	return signal_pending(current) ? -ERESTARTSYS : 0;
}

static long reject_fb_ioctl(struct devns_virtual_fb *fb, unsigned long arg)
{
	return -EINVAL;
}

struct fb_ioctl_handler {
	unsigned int cmd;
	long (*call)(struct devns_virtual_fb *fb, unsigned long arg);
};

static const struct fb_ioctl_handler calls[] = {
	{ FBIOGET_VSCREENINFO, handle_get_var },
	{ FBIOPUT_VSCREENINFO, handle_put_var },
	{ FBIOPAN_DISPLAY, handle_pan_display },
	{ FBIOBLANK, handle_blank },
	{ FBIO_WAITFORVSYNC, handle_wait_for_vsync },
	{ FBIO_CURSOR, reject_fb_ioctl },
	{ FBIOGET_CON2FBMAP, reject_fb_ioctl },
	{ FBIOPUT_CON2FBMAP, reject_fb_ioctl },
	/* Those above are the same for a program of 32 bits. */
	{ FBIOGET_FSCREENINFO, handle_get_fix },
	{ FBIOGETCMAP, handle_get_cmap },
	{ FBIOPUTCMAP, handle_put_cmap },
};

static long dispatch_fb_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg,
			      const struct fb_ioctl_handler *table, size_t n)
{
	struct devns_virtual_fb *fb = get_file_fb(file);
	int err = check_fb_allowed(fb);
	size_t i;

	if (err)
		return err;
	for (i = 0; i < n; i++)
		if (table[i].cmd == cmd)
			return table[i].call(fb, arg);
	return -ENOTTY;
}

static long fb_node_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	return dispatch_fb_ioctl(file, cmd, arg, calls, ARRAY_SIZE(calls));
}

#ifdef CONFIG_COMPAT
struct compat_fb_fix {
	char id[16];
	compat_caddr_t smem_start;
	u32 smem_len;
	u32 type;
	u32 type_aux;
	u32 visual;
	u16 xpanstep;
	u16 ypanstep;
	u16 ywrapstep;
	u32 line_length;
	compat_caddr_t mmio_start;
	u32 mmio_len;
	u32 accel;
	u16 reserved[3];
};

struct compat_fb_cmap {
	u32 start;
	u32 len;
	compat_caddr_t red;
	compat_caddr_t green;
	compat_caddr_t blue;
	compat_caddr_t transp;
};

static long handle_get_fix32(struct devns_virtual_fb *fb, unsigned long arg)
{
	const struct fb_fix_screeninfo *fix = &fb->info.fix;
	struct compat_fb_fix ret = {
		.smem_len = fix->smem_len,
		.type = fix->type,
		.visual = fix->visual,
		.ypanstep = fix->ypanstep,
		.line_length = fix->line_length,
		.accel = fix->accel,
	};

	memcpy(ret.id, fix->id, sizeof(ret.id));
	return copy_to_user(compat_ptr(arg), &ret, sizeof(ret)) ? -EFAULT : 0;
}

static long handle_cmap32(struct devns_virtual_fb *fb, unsigned long arg,
			  bool put)
{
	struct fb_cmap_user user = {};
	struct compat_fb_cmap from;

	if (copy_from_user(&from, compat_ptr(arg), sizeof(from)))
		return -EFAULT;
	user.start = from.start;
	user.len = from.len;
	user.red = compat_ptr(from.red);
	user.green = compat_ptr(from.green);
	user.blue = compat_ptr(from.blue);
	return transfer_cmap(fb, &user, put);
}

static long handle_get_cmap32(struct devns_virtual_fb *fb, unsigned long arg)
{
	return handle_cmap32(fb, arg, false);
}

static long handle_put_cmap32(struct devns_virtual_fb *fb, unsigned long arg)
{
	return handle_cmap32(fb, arg, true);
}

static const struct fb_ioctl_handler calls32[] = {
	{ FBIOGET_FSCREENINFO, handle_get_fix32 },
	{ FBIOGETCMAP, handle_get_cmap32 },
	{ FBIOPUTCMAP, handle_put_cmap32 },
};

static long fb_node_compat_ioctl(struct file *file, unsigned int cmd,
				 unsigned long arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls32); i++)
		if (calls32[i].cmd == cmd)
			return dispatch_fb_ioctl(file, cmd, arg, calls32,
						 ARRAY_SIZE(calls32));
	if (cmd != FBIOBLANK)
		arg = (unsigned long)compat_ptr(arg);
	return fb_node_ioctl(file, cmd, arg);
}
#endif

const struct file_operations devns_virtual_fb_fops = {
	.owner = THIS_MODULE,
	.open = fb_node_open,
	.release = fb_node_release,
	.read = fb_node_read,
	.write = fb_node_write,
	.fsync = fb_node_fsync,
	.poll = fb_node_poll,
	.mmap = fb_node_mmap,
	.llseek = default_llseek,
	.unlocked_ioctl = fb_node_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl = fb_node_compat_ioctl,
#endif
};
