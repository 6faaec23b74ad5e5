// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an endpoint lets through: of each subsystem the ioctls that act on the
 * handle itself, and no other. Not among them are those that export a
 * descriptor of the device's own (it would outlive a denial) or take one of
 * another handle (that is an endpoint, which no driver knows), that inject
 * input, reset or reconfigure what others share, or write the kernel's log.
 * What is not let through is answered as by a driver that lacks it.
 */
#include "passthrough.h"

#include <linux/device.h>
#include <linux/errno.h>
#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/videodev2.h>

/* Numbers first..last of one letter; their sizes differ for 32-bit programs. */
struct devns_ioctl_range {
	u8 type, first, last;
};

/* linux/videodev2.h and, of sub-devices, linux/v4l2-subdev.h. */
static const struct devns_ioctl_range video[] = {
	{ 'V', 0, 5 }, /* capabilities, formats */
	{ 'V', 8, 10 },
	{ 'V', 15, 15 },
	{ 'V', 17, 19 }, /* buffers */
	{ 'V', 21, 41 }, /* parameters, controls, inputs, EDID */
	{ 'V', 46, 50 },
	{ 'V', 54, 69 },
	{ 'V', 71, 78 },
	{ 'V', 82, 82 }, /* seek */
	{ 'V', 87, 101 },
	{ 'V', 103, 104 },
	{ '|', 0, 4 }, /* linux/media.h */
	{},
};

/* sound/asound.h: of PCM, control, raw MIDI, timer and compressed nodes. */
static const struct devns_ioctl_range sound[] = {
	{ 'A', 0x00, 0x04 },
	{ 'A', 0x10, 0x13 },
	{ 'A', 0x20, 0x24 },
	{ 'A', 0x32, 0x32 },
	{ 'A', 0x40, 0x49 },
	{ 'A', 0x50, 0x53 },
	{ 'A', 0x61, 0x61 },
	{ 'U', 0x00, 0x01 },
	{ 'U', 0x10, 0x16 },
	{ 'U', 0x1a, 0x1c },
	{ 'U', 0x20, 0x21 },
	{ 'U', 0x30, 0x32 },
	{ 'U', 0x40, 0x42 },
	{ 'U', 0xd1, 0xd1 },
	{ 'W', 0x00, 0x02 },
	{ 'W', 0x10, 0x10 },
	{ 'W', 0x20, 0x20 },
	{ 'W', 0x30, 0x31 },
	{ 'H', 0x00, 0x01 },
	{ 'T', 0x00, 0x03 },
	{ 'T', 0x05, 0x05 },
	{ 'T', 0x10, 0x12 },
	{ 'T', 0x14, 0x14 },
	{ 'T', 0xa0, 0xa4 },
	{ 'C', 0x00, 0x00 },
	{ 'C', 0x10, 0x15 },
	{ 'C', 0x20, 0x21 },
	{ 'C', 0x30, 0x36 },
	{},
};

/* linux/input.h: its device is a virtual one, which is one namespace's. */
static const struct devns_ioctl_range input[] = { { 'E', 0x01, 0xff }, {} };

/* asm-generic/ioctls.h; TIOCEXCL and its like are answered by fops.c. */
static const struct devns_ioctl_range tty[] = {
	{ 'T', 0x01, 0x0b }, /* settings, break, flow, flush */
	{ 'T', 0x11, 0x11 }, { 'T', 0x13, 0x1b }, { 'T', 0x1e, 0x1e },
	{ 'T', 0x24, 0x25 }, { 'T', 0x27, 0x28 }, { 'T', 0x2a, 0x2e },
	{ 'T', 0x59, 0x59 }, { 'T', 0x5c, 0x5d }, {},
};

/* linux/rtc.h: what the clock says, not its alarm. */
static const struct devns_ioctl_range rtc[] = {
	{ 'p', 0x08, 0x09 }, { 'p', 0x0b, 0x0b }, { 'p', 0x0d, 0x0d },
	{ 'p', 0x10, 0x10 }, { 'p', 0x13, 0x13 }, {},
};

/* linux/pps.h */
static const struct devns_ioctl_range pps[] = { { 'p', 0xa1, 0xa4 }, {} };

/* drm/drm.h: modes and buffers by handles of the file's own. */
static const struct devns_ioctl_range drm[] = {
	{ 'd', 0x00, 0x01 }, { 'd', 0x09, 0x09 },
	{ 'd', 0x0c, 0x0d }, { 'd', 0x1e, 0x1f },
	{ 'd', 0x3a, 0x3a }, { 'd', 0xa0, 0xa7 },
	{ 'd', 0xaa, 0xac }, { 'd', 0xae, 0xbb },
	{ 'd', 0xbd, 0xbe }, {},
};

/* linux/usbdevice_fs.h: not the hub's ports, no reset. */
static const struct devns_ioctl_range usb[] = {
	{ 'U', 0, 5 },	 { 'U', 8, 8 },	  { 'U', 10, 18 },
	{ 'U', 21, 23 }, { 'U', 26, 35 }, {},
};

/* cdc-wdm, linux/hiddev.h */
static const struct devns_ioctl_range usbmisc[] = { { 'H', 0x01, 0x12 },
						    { 'H', 0xa0, 0xa0 },
						    {} };

/* linux/hidraw.h: reports of the device are read, not injected. */
static const struct devns_ioctl_range hidraw[] = { { 'H', 0x01, 0x08 },
						   { 'H', 0x0a, 0x0c },
						   {} };

static const struct devns_ioctl_range none[] = { {} };

/*
 * Classes of the kernel, or busses where a device has no class. A driver's
 * fault handler sees our file in the area; those of the subsystems that may be
 * mapped look at their own data only.
 */
static const struct devns_ioctl_rules subsystems[] = {
	{ "video4linux", video, .maps = true },
	{ "media", video },
	{ "sound", sound, .maps = true },
	{ "input", input },
	{ "tty", tty, .is_tty = true },
	{ "wwan", tty },
	{ "rtc", rtc },
	{ "pps", pps },
	{ "drm", drm, .maps = true },
	{ "usb", usb, .maps = true },
	{ "usb_device", usb, .maps = true },
	{ "usbmisc", usbmisc },
	{ "hidraw", hidraw },
};

/* iio, gnss, gpio, dvb, all others: reading, writing and waiting. */
static const struct devns_ioctl_rules other = { "", none };

static int find_subsystem_rules(struct device *dev, void *arg)
{
	const char *name = dev->class ? dev->class->name
			   : dev->bus ? dev->bus->name
				      : "";
	const struct devns_ioctl_rules **ret = arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(subsystems); i++)
		if (!strcmp(subsystems[i].subsystem, name))
			*ret = &subsystems[i];
	return 0;
}

const struct devns_ioctl_rules *devns_ioctls_find_rules(dev_t devt)
{
	const struct devns_ioctl_rules *ret = &other;

	/* Gone again: then nobody opens it either. */
	devns_real_device_call(devt, find_subsystem_rules, &ret);
	return ret;
}

static bool is_listed_ioctl(const struct devns_ioctl_range *r, unsigned int cmd)
{
	for (; r->type; r++)
		if (_IOC_TYPE(cmd) == r->type && _IOC_NR(cmd) >= r->first &&
		    _IOC_NR(cmd) <= r->last)
			return true;
	return false;
}

/* Buffers that may be the program's own memory, which a suspended device would
 * go on filling. */
static bool is_buffer_setup_ioctl(unsigned int cmd)
{
	return _IOC_TYPE(cmd) == 'V' &&
	       (_IOC_NR(cmd) == _IOC_NR(VIDIOC_REQBUFS) ||
		_IOC_NR(cmd) == _IOC_NR(VIDIOC_CREATE_BUFS));
}

int devns_ioctls_check(const struct devns_passthrough *p, struct file *real,
		       unsigned int cmd, unsigned long arg)
{
	if (!is_listed_ioctl(p->ioctl_rules->ioctls, cmd) ||
	    (!p->close_on_deny && is_buffer_setup_ioctl(cmd)))
		return -ENOTTY;
	if (p->filter && p->filter->ioctl)
		return p->filter->ioctl(p->ep, real, cmd, arg);
	return 0;
}
