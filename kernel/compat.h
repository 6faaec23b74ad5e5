/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernel 6.1, the reference, and later ones; only here. */
#ifndef DEVNS_COMPAT_H
#define DEVNS_COMPAT_H

#include <linux/device/class.h>
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

#endif
