/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernel 6.1, the reference, and later ones; only here. */
#ifndef DEVNS_COMPAT_H
#define DEVNS_COMPAT_H

#include <drm/drm_fb_helper.h>
#include <linux/device/class.h>
#include <linux/fb.h>
#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define compat_class_create(name) class_create(name)
#else
#define compat_class_create(name) class_create(THIS_MODULE, name)
#endif

/* class->devnode takes a const device. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define compat_const const
#else
#define compat_const
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define compat_vm_flags_set(vma, flags) vm_flags_set(vma, flags)
#else
#define compat_vm_flags_set(vma, flags) ((vma)->vm_flags |= (flags))
#endif

/* Is par of this framebuffer a drm_fb_helper? */
static inline bool compat_is_drm_fb(const struct fb_info *info)
{
	return IS_ENABLED(CONFIG_DRM_FBDEV_EMULATION) &&
	       info->fbops->fb_check_var == drm_fb_helper_check_var;
}

#endif
