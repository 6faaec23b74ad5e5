/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A namespace's own framebuffer: memory of its own, and the device node that
 * programs draw through. It is never registered with the kernel's framebuffers:
 * there fbcon could bind to it, its blanking would reach the host's backlight,
 * and a program in the background could hold the console's lock.
 *
 * Locks: devns_virtual_fb.lock > devns_real_fb.lock; mmap_lock > faults. A page
 * fault takes no lock that is held across a copy from or to user space.
 */
#ifndef DEVNS_VIRTUAL_FB_H
#define DEVNS_VIRTUAL_FB_H

#include "real_fb.h"

#include <linux/fb.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct devns_endpoint;
struct file_operations;
struct inode;

struct devns_virtual_fb {
	struct devns_endpoint *ep;
	struct devns_real_fb *real;
	struct devns_fb_state state;
	struct mutex lock; /* info.var, state's settings, handles */
	struct fb_info info;
	struct fb_deferred_io defio;
	struct inode *inode; /* every mapping's, whichever node was opened */

	/* A fault looks at it and maps; a denial sets it, then unmaps. */
	struct rw_semaphore faults;
	bool denied;
	const struct vm_operations_struct *defio_ops;

	/* Rows that were drawn and are not copied to the real framebuffer yet.
	 */
	spinlock_t dirty_lock;
	u32 dirty_first;
	u32 dirty_end;
	struct delayed_work draw;
};

/* virtual_fb_fops.c: the calls on the node */
extern const struct file_operations devns_virtual_fb_fops;

/* virtual_fb.c */
/* Bytes first..end-1 of the memory were drawn: they are copied to the real
 * framebuffer soon. */
void devns_virtual_fb_mark_dirty(struct devns_virtual_fb *fb, size_t first,
				 size_t end);
/* What was drawn until now is on the real framebuffer when this returns. */
void devns_virtual_fb_sync(struct devns_virtual_fb *fb);

#endif
