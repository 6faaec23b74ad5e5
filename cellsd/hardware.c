/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/hardware.h"

#include "cellsd/profile.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fnmatch.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NODES_MAX 2048
#define UDEVD_SOCKET "/run/udev/control"

/* Nodes that reach below the classes: they follow the device's other nodes. */
static const char *const raw_subsystems[] = { "usb", "hidraw",
					      "tty", "usbmisc",
					      "bsg", "scsi_generic" };

/* Devns makes these itself, with no device behind them. */
static const char *const power_nodes[] = { "power/wake_lock",
					   "power/wake_unlock", "power/screen",
					   "power/state" };

struct hardware {
	struct udev *udev;
	struct udev_monitor *monitor;
	const struct profile *profile;
	struct backend_node *node;
	size_t n;
};

/* A device with a node, while a listing is made. */
struct found {
	struct backend_node node;
	char path[512];	    /* in sysfs */
	char hardware[512]; /* what it is a node of, for raw nodes; or "" */
};

struct listing {
	struct found *item;
	size_t n;
};

int hardware_new(const struct profile *p, struct hardware **ret, struct err *e)
{
	AUTO(hardware_freep) struct hardware *i = calloc(1, sizeof(*i));
	const char *source =
		access(UDEVD_SOCKET, F_OK) == 0 ? "udev" : "kernel";

	if (!i)
		return err_oom(e, "list the hardware");
	i->profile = p;
	i->udev = udev_new();
	if (!i->udev)
		return err_sys(e, errno, "open udev");
	i->monitor = udev_monitor_new_from_netlink(i->udev, source);
	if (!i->monitor || udev_monitor_enable_receiving(i->monitor) < 0)
		return err_set(e, EIO, "listen to %s events", source);
	*ret = steal(i);
	return 0;
}

void hardware_free(struct hardware *i)
{
	if (!i)
		return;
	udev_monitor_unref(i->monitor);
	udev_unref(i->udev);
	free(i->node);
	free(i);
}

/* ---- a udev device as the profile sees it */

static const char *get_subsystem(void *arg)
{
	return udev_device_get_subsystem(arg);
}

static const char *get_sysname(void *arg)
{
	return udev_device_get_sysname(arg);
}

static const char *get_devname(void *arg)
{
	const char *node = udev_device_get_devnode(arg);

	return node && strncmp(node, "/dev/", 5) == 0 ? node + 5 : NULL;
}

static const char *get_driver(void *arg)
{
	const char *driver = NULL;

	for (struct udev_device *d = arg; d && !driver;
	     d = udev_device_get_parent(d))
		driver = udev_device_get_driver(d);
	return driver;
}

static const char *get_property(void *arg, const char *key)
{
	return udev_device_get_property_value(arg, key);
}

static const char *get_attribute(void *arg, const char *name)
{
	const char *value = NULL;

	for (struct udev_device *d = arg; d && !value;
	     d = udev_device_get_parent(d))
		value = udev_device_get_sysattr_value(d, name);
	return value;
}

static bool is_raw(const char *subsystem)
{
	for (size_t i = 0; i < ARRAY_SIZE(raw_subsystems); i++)
		if (strcmp(raw_subsystems[i], subsystem) == 0)
			return true;
	return false;
}

/* The piece of hardware behind a raw node: the USB device, else its parent. */
static const char *hardware_of(struct udev_device *d)
{
	struct udev_device *usb = d, *parent = udev_device_get_parent(d);
	const char *type = udev_device_get_devtype(d);

	if (!type || strcmp(type, "usb_device") != 0)
		usb = udev_device_get_parent_with_subsystem_devtype(
			d, "usb", "usb_device");
	if (usb)
		return udev_device_get_syspath(usb);
	return parent ? udev_device_get_syspath(parent) : NULL;
}

/* LEDs and backlights have no node: they are named by their place in sysfs. */
static bool name_of(struct udev_device *d, char ret[BACKEND_NAME_SIZE])
{
	const char *node = get_devname(d), *subsystem = get_subsystem(d);
	int n = -1;

	if (!subsystem)
		return false;
	if (node && udev_device_get_devnum(d) != 0)
		n = snprintf(ret, BACKEND_NAME_SIZE, "%s", node);
	else if (strcmp(subsystem, "leds") == 0 ||
		 strcmp(subsystem, "backlight") == 0)
		n = snprintf(ret, BACKEND_NAME_SIZE, "%s/%s", subsystem,
			     get_sysname(d));
	return n > 0 && n < BACKEND_NAME_SIZE;
}

/* A device that comes again has a new folder in sysfs. */
static uint64_t birth_of(struct udev_device *d)
{
	struct stat st;

	return stat(udev_device_get_syspath(d), &st) < 0 ? 0 : st.st_ino;
}

/* What devns made for VPs is no hardware. */
static bool is_made(struct udev_device *d)
{
	const char *phys = strcmp(get_subsystem(d), "input") == 0
				   ? get_attribute(d, "phys")
				   : NULL;

	return udev_device_get_parent_with_subsystem_devtype(d, "devns",
							     NULL) ||
	       (phys && fnmatch("devns[0-9]*/input", phys, 0) == 0);
}

/* The lights of a keyboard are set through its event node; with a second view
 * of them, what one shows the other would put out at each switch. */
static bool is_keyboard_light(struct udev_device *d)
{
	return strcmp(get_subsystem(d), "leds") == 0 &&
	       udev_device_get_parent_with_subsystem_devtype(d, "input", NULL);
}

static void take_device(const struct hardware *i, struct listing *l,
			struct udev_device *d)
{
	const struct profile_device view = {
		get_subsystem, get_sysname,   get_devname, get_driver,
		get_property,  get_attribute, d,
	};
	struct found *f = &l->item[l->n];
	dev_t number = udev_device_get_devnum(d);
	const char *hardware;

	if (l->n == NODES_MAX)
		return;
	memset(f, 0, sizeof(*f));
	if (!name_of(d, f->node.name) || is_made(d) || is_keyboard_light(d))
		return;
	snprintf(f->path, sizeof(f->path), "%s", udev_device_get_syspath(d));
	f->node.block = strcmp(get_subsystem(d), "block") == 0;
	f->node.major = major(number);
	f->node.minor = minor(number);
	f->node.birth = birth_of(d);
	f->node.classes = profile_match(i->profile, &view);
	hardware = is_raw(get_subsystem(d)) ? hardware_of(d) : NULL;
	if (hardware)
		snprintf(f->hardware, sizeof(f->hardware), "%s", hardware);
	if (f->node.classes || hardware)
		l->n++;
}

static void take_power(struct listing *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(power_nodes); i++) {
		struct found *f = &l->item[l->n];

		if (l->n == NODES_MAX)
			return;
		memset(f, 0, sizeof(*f));
		snprintf(f->node.name, sizeof(f->node.name), "%s",
			 power_nodes[i]);
		f->node.classes = 1U << CELLS_CLASS_POWER;
		l->n++;
	}
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

/* A raw node needs every class of the hardware that it reaches. */
static void join_raw(struct listing *l)
{
	for (size_t a = 0; a < l->n; a++) {
		struct found *raw = &l->item[a];

		for (size_t b = 0; *raw->hardware && b < l->n; b++)
			if (!*l->item[b].hardware &&
			    is_below(l->item[b].path, raw->hardware))
				raw->node.classes |= l->item[b].node.classes;
	}
}

static void add_subsystem(void *arg, const char *name)
{
	udev_enumerate_add_match_subsystem(arg, name);
}

static void enumerate_freep(struct udev_enumerate **en)
{
	udev_enumerate_unref(*en);
}

/* Raw nodes need the classes of all that is there. */
static int list_device(const struct hardware *i, struct listing *l,
		       const char *path, struct err *e)
{
	struct udev_device *d = udev_device_new_from_syspath(i->udev, path);

	if (!d)
		return access(path, F_OK) < 0 && errno == ENOENT
			       ? 0
			       : err_set(e, EIO, "look at %s", path);
	take_device(i, l, d);
	udev_device_unref(d);
	return 0;
}

static int list_devices(const struct hardware *i, struct listing *l,
			struct err *e)
{
	AUTO(enumerate_freep)
	struct udev_enumerate *en = udev_enumerate_new(i->udev);
	struct udev_list_entry *entry;
	int r;

	if (!en)
		return err_oom(e, "list the hardware");
	profile_each_subsystem(i->profile, add_subsystem, en);
	for (size_t k = 0; k < ARRAY_SIZE(raw_subsystems); k++)
		add_subsystem(en, raw_subsystems[k]);
	if (udev_enumerate_scan_devices(en) < 0)
		return err_set(e, EIO, "list the hardware");
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(en))
	{
		r = list_device(i, l, udev_list_entry_get_name(entry), e);
		if (r < 0)
			return r;
	}
	return 0;
}

int hardware_scan(struct hardware *i, struct err *e)
{
	auto_free struct found *items = calloc(NODES_MAX, sizeof(*items));
	struct listing l = { .item = items };
	struct backend_node *node;
	size_t n = 0;
	int r;

	if (!items)
		return err_oom(e, "list the hardware");
	r = list_devices(i, &l, e);
	if (r < 0)
		return r;
	join_raw(&l);
	take_power(&l);
	node = calloc(l.n + 1, sizeof(*node));
	if (!node)
		return err_oom(e, "list the hardware");
	for (size_t k = 0; k < l.n; k++)
		if (items[k].node.classes)
			node[n++] = items[k].node;
	free(i->node);
	i->node = node;
	i->n = n;
	return 0;
}

const struct backend_node *hardware_nodes(const struct hardware *i,
					  size_t *ret_n)
{
	*ret_n = i->n;
	return i->node;
}

int hardware_fd(const struct hardware *i)
{
	return udev_monitor_get_fd(i->monitor);
}

bool hardware_drain(struct hardware *i)
{
	struct udev_device *d;
	bool news = false;

	while ((d = udev_monitor_receive_device(i->monitor))) {
		char name[BACKEND_NAME_SIZE];

		news |= name_of(d, name);
		udev_device_unref(d);
	}
	return news;
}
