/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernel 6.1, the reference, and later ones; only here. */
#ifndef DEVNS_COMPAT_H
#define DEVNS_COMPAT_H

#include <drm/drm_fb_helper.h>
#include <linux/device/class.h>
#include <linux/fb.h>
#include <linux/mm.h>
#include <linux/version.h>
#include <net/genetlink.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define compat_class_create(name) class_create(name)
#else
#define compat_class_create(name) class_create(THIS_MODULE, name)
#endif

/* Defines an input handler's ->events, which passes each batch to take(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define COMPAT_INPUT_EVENTS(name, handle_batch)                                \
	static unsigned int name(struct input_handle *handle,                  \
				 struct input_value *vals, unsigned int count) \
	{                                                                      \
		handle_batch(handle, vals, count);                             \
		return count;                                                  \
	}
#else
#define COMPAT_INPUT_EVENTS(name, handle_batch)                                \
	static void name(struct input_handle *handle,                          \
			 const struct input_value *vals, unsigned int count)   \
	{                                                                      \
		handle_batch(handle, vals, count);                             \
	}
#endif

/* class->devnode takes a const device. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define compat_const const
#else
#define compat_const
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define compat_vm_flags_set(vma, flags) vm_flags_set(vma, flags)
#define compat_vm_flags_clear(vma, flags) vm_flags_clear(vma, flags)
#else
#define compat_vm_flags_set(vma, flags) ((vma)->vm_flags |= (flags))
#define compat_vm_flags_clear(vma, flags) ((vma)->vm_flags &= ~(flags))
#endif

/* The attributes of a dump's request. */
static inline struct nlattr **compat_dump_attrs(struct netlink_callback *cb)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return genl_dumpit_info(cb)->info.attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/* A page table entry: found, and locked until done. */
struct compat_pte {
	unsigned long pfn;
	bool is_special;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct follow_pfnmap_args args;
#else
	pte_t *pte;
	spinlock_t *lock;
#endif
};

static inline int compat_pte_find(struct vm_area_struct *vma,
				  unsigned long address, struct compat_pte *at)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	int err;

	at->args =
		(struct follow_pfnmap_args){ .vma = vma, .address = address };
	err = follow_pfnmap_start(&at->args);
	if (err)
		return err;
	at->pfn = at->args.pfn;
	at->is_special = at->args.special;
#else
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	int err = follow_pte(vma, address, &at->pte, &at->lock);
#else
	int err = follow_pte(vma->vm_mm, address, &at->pte, &at->lock);
#endif
	if (err)
		return err;
	at->pfn = pte_pfn(*at->pte);
	at->is_special = pte_special(*at->pte);
#endif
	return 0;
}

static inline void compat_pte_release(struct compat_pte *at)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	follow_pfnmap_end(&at->args);
#else
	__acquire(at->lock); /* sparse has not seen who took it */
	pte_unmap_unlock(at->pte, at->lock);
#endif
}

/* Takes all pages out of an area of whatever sort. */
static inline void compat_zap_vma(struct vm_area_struct *vma)
{
	bool is_pfnmap = vma->vm_flags & VM_PFNMAP;

	/* The only one that is exported asks for this flag. */
	compat_vm_flags_set(vma, VM_PFNMAP);
	zap_vma_ptes(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	if (!is_pfnmap)
		compat_vm_flags_clear(vma, VM_PFNMAP);
}

/* FB_EVENT_BLANK went, and with it the way to hear of it. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define COMPAT_HAS_FB_EVENT_BLANK 0
#ifndef FB_EVENT_BLANK
#define FB_EVENT_BLANK 0x09
#endif
#else
#define COMPAT_HAS_FB_EVENT_BLANK 1
#endif

/* The process that has opened a card; under RCU. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define compat_drm_pid(file) rcu_dereference((file)->pid)
#else
#define compat_drm_pid(file) ((file)->pid)
#endif

/* Is par of this framebuffer a drm_fb_helper? */
static inline bool compat_is_drm_fb(const struct fb_info *info)
{
	return IS_ENABLED(CONFIG_DRM_FBDEV_EMULATION) &&
	       info->fbops->fb_check_var == drm_fb_helper_check_var;
}

#endif
