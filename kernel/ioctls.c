// SPDX-License-Identifier: GPL-2.0
/*
 * What no endpoint lets through, whatever the driver would do: ioctls that
 * export a file descriptor of the device's own (it would outlive a denial),
 * that take descriptors of other handles (those are endpoints, which no driver
 * knows), that inject input, and that reset what others share.
 */
#include "pass.h"

#include <asm/ioctls.h>
#include <drm/drm.h>
#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/media.h>
#include <linux/usbdevice_fs.h>
#include <linux/videodev2.h>
#include <sound/asound.h>

/* The number without its size: a 32-bit program's differs only there. */
#define SIZELESS(cmd) ((cmd) & ~IOCSIZE_MASK)

/* linux/iio/buffer.h and events.h, which are not in every header package. */
#define IIO_GET_EVENT_FD _IOR('i', 0x90, int)
#define IIO_BUFFER_GET_FD _IOWR('i', 0x91, int)

static const struct rule {
	unsigned int cmd;
	int err;
	bool only_suspend; /* harmless where the device is closed */
} rules[] = {
	/* Export descriptors. */
	{ VIDIOC_EXPBUF, -EACCES, false },
	{ MEDIA_IOC_REQUEST_ALLOC, -EACCES, false },
	{ DRM_IOCTL_PRIME_HANDLE_TO_FD, -EACCES, false },
	{ DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, -EACCES, false },
	{ DRM_IOCTL_MODE_CREATE_LEASE, -EACCES, false },
	{ IIO_GET_EVENT_FD, -EACCES, false },
	{ IIO_BUFFER_GET_FD, -EACCES, false },
	{ TIOCGPTPEER, -EACCES, false },
	/* Take descriptors. */
	{ SNDRV_PCM_IOCTL_LINK, -EOPNOTSUPP, false },
	{ DRM_IOCTL_PRIME_FD_TO_HANDLE, -EOPNOTSUPP, false },
	{ DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, -EOPNOTSUPP, false },
	/*
	 * Set up buffers that may be the program's own memory, which the device
	 * would go on filling while suspended.
	 */
	{ VIDIOC_REQBUFS, -EACCES, true },
	{ VIDIOC_CREATE_BUFS, -EACCES, true },
	/* Inject input; take a terminal whose path is not ours. */
	{ TIOCSTI, -EACCES, false },
	{ TIOCSCTTY, -EACCES, false },
	{ TIOCCONS, -EACCES, false },
	{ TIOCSETD, -EACCES, false },
	{ TIOCVHANGUP, -EACCES, false },
	/* Reset what others share. */
	{ USBDEVFS_RESET, -EACCES, false },
};

int devns_filter_ioctl(const struct devns_passthrough *p, unsigned int cmd,
		       unsigned long arg)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		if (SIZELESS(cmd) != SIZELESS(rules[i].cmd))
			continue;
		/* Numbers without a direction have no size: compare all. */
		if (!_IOC_DIR(rules[i].cmd) && cmd != rules[i].cmd)
			continue;
		if (!rules[i].only_suspend || !p->cuts)
			return rules[i].err;
	}
	if (p->filter && p->filter->ioctl)
		return p->filter->ioctl(p->ep, cmd, arg);
	return 0;
}
