/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/hardware.h"

#include "cellsd/device/device_list.h"
#include "cellsd/device/disk.h"
#include "cellsd/device/profile.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <fnmatch.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define UDEVD_SOCKET "/run/udev/control"
#define CONSOLES "/sys/class/tty/console/active"

struct hardware {
	struct udev *udev;
	struct udev_monitor *monitor;
	const struct profile *profile;
	struct backend_node *node;
	size_t n;
	struct backend_node *refused; /* what the profile gives in vain */
	size_t n_refused;
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
	free(i->refused);
	free(i);
}

/* ---- a udev device as the profile sees it */

static const char *get_udev_subsystem(void *arg)
{
	return udev_device_get_subsystem(arg);
}

static const char *get_udev_sysname(void *arg)
{
	return udev_device_get_sysname(arg);
}

static const char *get_udev_devname(void *arg)
{
	const char *node = udev_device_get_devnode(arg);

	return node && strncmp(node, "/dev/", 5) == 0 ? node + 5 : NULL;
}

static const char *get_udev_driver(void *arg)
{
	const char *driver = NULL;

	for (struct udev_device *d = arg; d && !driver;
	     d = udev_device_get_parent(d))
		driver = udev_device_get_driver(d);
	return driver;
}

static const char *get_udev_property(void *arg, const char *key)
{
	return udev_device_get_property_value(arg, key);
}

static const char *get_udev_attribute(void *arg, const char *name)
{
	const char *value = NULL;

	for (struct udev_device *d = arg; d && !value;
	     d = udev_device_get_parent(d))
		value = udev_device_get_sysattr_value(d, name);
	return value;
}

static const char *get_parent_attribute(void *arg, const char *subsystem,
					const char *type, const char *attribute)
{
	struct udev_device *d = udev_device_get_parent_with_subsystem_devtype(
		arg, subsystem, type);

	return d ? udev_device_get_sysattr_value(d, attribute) : NULL;
}

/* The piece of hardware behind a raw node: the USB device, else its parent. */
static const char *get_hardware_path(void *arg)
{
	struct udev_device *d = arg;
	struct udev_device *usb = d, *parent = udev_device_get_parent(d);
	const char *type = udev_device_get_devtype(d);

	if (!type || strcmp(type, "usb_device") != 0)
		usb = udev_device_get_parent_with_subsystem_devtype(
			d, "usb", "usb_device");
	if (usb)
		return udev_device_get_syspath(usb);
	return parent ? udev_device_get_syspath(parent) : NULL;
}

/* A device that comes again has a new folder in sysfs. */
static uint64_t get_sysfs_inode(struct udev_device *d)
{
	struct stat st;

	return stat(udev_device_get_syspath(d), &st) < 0 ? 0 : st.st_ino;
}

/* What devns made for VPs is not hardware. */
static bool is_devns_device(struct udev_device *d)
{
	const char *phys = strcmp(get_udev_subsystem(d), "input") == 0
				   ? get_udev_attribute(d, "phys")
				   : NULL;

	return udev_device_get_parent_with_subsystem_devtype(d, "devns",
							     NULL) ||
	       (phys && fnmatch("devns[0-9]*/input", phys, 0) == 0);
}

/*
 * Everybody may read in sysfs what a sensor measures, whatever class
 * a VP has; so its folder is entered by the host's root only. Safe because
 * nothing but the mode changes, and the kernel keeps it as long as the device.
 */
static bool restrict_sensor_sysfs(struct udev_device *d)
{
	const char *subsystem = get_udev_subsystem(d);
	const char *path = udev_device_get_syspath(d);

	if (!subsystem || strcmp(subsystem, "iio") != 0)
		return false;
	if (chmod(path, 0700) < 0 && errno != ENOENT)
		log_warning("shut %s to VPs: %s", path, strerror(errno));
	return true;
}

static void add_udev_device(struct device_list *l, struct udev_device *d,
			    const char *consoles)
{
	struct device_facts item = {
		.ask = { get_udev_subsystem, get_udev_sysname, get_udev_devname,
			 get_udev_driver, get_udev_property, get_udev_attribute,
			 d },
		.above = get_parent_attribute,
		.hardware = get_hardware_path,
		.path = udev_device_get_syspath(d),
		.number = udev_device_get_devnum(d),
		.instance = get_sysfs_inode(d),
		.consoles = consoles,
	};
	const char *subsystem = get_udev_subsystem(d);

	if (!subsystem || is_devns_device(d))
		return;
	restrict_sensor_sysfs(d);
	if (strcmp(subsystem, "block") == 0)
		item.in_use = disk_is_in_use(item.number);
	device_list_add(l, &item);
}

static void add_subsystem_match(void *arg, const char *name)
{
	udev_enumerate_add_match_subsystem(arg, name);
}

static void enumerate_freep(struct udev_enumerate **en)
{
	udev_enumerate_unref(*en);
}

/* Raw nodes need the classes of all that is there. */
static int list_udev_device(const struct hardware *i, struct device_list *l,
			    const char *path, const char *consoles,
			    struct err *e)
{
	struct udev_device *d = udev_device_new_from_syspath(i->udev, path);

	if (!d)
		return access(path, F_OK) < 0 && errno == ENOENT
			       ? 0
			       : err_set(e, EIO, "look at %s", path);
	add_udev_device(l, d, consoles);
	udev_device_unref(d);
	return 0;
}

static void add_all_subsystems(const struct hardware *i,
			       struct udev_enumerate *en)
{
	profile_each_subsystem(i->profile, add_subsystem_match, en);
	for (size_t k = 0; device_list_subsystems[k]; k++)
		add_subsystem_match(en, device_list_subsystems[k]);
}

/* Those with the tag, or (NULL) of the subsystems that matter. */
static int list_matching_devices(const struct hardware *i,
				 struct device_list *l, const char *tag,
				 const char *consoles, struct err *e)
{
	AUTO(enumerate_freep)
	struct udev_enumerate *en = udev_enumerate_new(i->udev);
	struct udev_list_entry *entry;
	int r;

	if (!en)
		return err_oom(e, "list the hardware");
	if (tag)
		udev_enumerate_add_match_tag(en, tag);
	else
		add_all_subsystems(i, en);
	if (udev_enumerate_scan_devices(en) < 0)
		return err_set(e, EIO, "list the hardware");
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(en))
	{
		r = list_udev_device(i, l, udev_list_entry_get_name(entry),
				     consoles, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list_udev_devices(const struct hardware *i, struct device_list *l,
			     struct err *e)
{
	auto_free char *consoles = NULL;
	struct err none;
	size_t len;
	int r;

	/* A kernel without terminals has none. */
	(void)io_read_file(CONSOLES, 4096, &consoles, &len, &none);
	r = list_matching_devices(i, l, NULL, consoles, e);
	return r < 0 ? r
		     : list_matching_devices(i, l, UDEV_CLASS_TAG, consoles, e);
}

static bool is_refusal_logged(const struct hardware *i,
			      const struct backend_node *n)
{
	for (size_t k = 0; k < i->n_refused; k++)
		if (i->refused[k].instance == n->instance &&
		    strcmp(i->refused[k].name, n->name) == 0)
			return true;
	return false;
}

static void log_refused_device(const struct device_list_item *item)
{
	const char *name = "?";

	if (*item->unknown_class) {
		log_warning("udev gives /dev/%s " UDEV_CLASS_PROPERTY
			    " '%s', which is not a class: it is given to no VP",
			    item->node.name, item->unknown_class);
		return;
	}
	for (int c = 0; c < CELLS_CLASS_COUNT; c++)
		if (item->node.classes >> c & 1)
			name = class_name(c);
	log_warning("%s: class %s names /dev/%s, which is given to no VP: %s",
		    item->by_udev ? "udev" : "hardware profile", name,
		    item->node.name, item->reserved);
}

/* Parts what VPs can be given from what they can not. */
static void split_reserved_nodes(const struct hardware *i,
				 const struct device_list *l,
				 struct hardware *ret)
{
	size_t n;
	const struct device_list_item *item = device_list_items(l, &n);

	for (size_t k = 0; k < n; k++) {
		if (!item[k].node.classes && !*item[k].unknown_class)
			continue;
		if (!item[k].reserved) {
			ret->node[ret->n++] = item[k].node;
			continue;
		}
		/* Of raw nodes only if a rule is what names them. */
		if ((item[k].own || *item[k].unknown_class) &&
		    !is_refusal_logged(i, &item[k].node))
			log_refused_device(&item[k]);
		ret->refused[ret->n_refused++] = item[k].node;
	}
}

int hardware_scan(struct hardware *i, struct err *e)
{
	AUTO(device_list_freep) struct device_list *l = NULL;
	struct hardware found = { 0 };
	int r = device_list_new(i->profile, &l, e);

	if (r == 0)
		r = list_udev_devices(i, l, e);
	if (r < 0)
		return r;
	device_list_finish(l);
	found.node = calloc(DEVICE_LIST_NODES_MAX, sizeof(*found.node));
	found.refused = calloc(DEVICE_LIST_NODES_MAX, sizeof(*found.refused));
	if (!found.node || !found.refused) {
		free(found.node);
		free(found.refused);
		return err_oom(e, "list the hardware");
	}
	split_reserved_nodes(i, l, &found);
	free(i->node);
	free(i->refused);
	i->node = found.node;
	i->n = found.n;
	i->refused = found.refused;
	i->n_refused = found.n_refused;
	return 0;
}

const struct backend_node *hardware_get_nodes(const struct hardware *i,
					      size_t *ret_n)
{
	*ret_n = i->n;
	return i->node;
}

bool hardware_has_device(const struct backend_node *n)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u",
		 n->block ? "block" : "char", n->major, n->minor);
	return stat(path, &st) == 0 && st.st_ino == n->instance;
}

int hardware_fd(const struct hardware *i)
{
	return udev_monitor_get_fd(i->monitor);
}

/* LEDs and backlights have no node. */
static bool is_light_device(struct udev_device *d)
{
	const char *subsystem = get_udev_subsystem(d);

	return subsystem && (strcmp(subsystem, "leds") == 0 ||
			     strcmp(subsystem, "backlight") == 0);
}

bool hardware_drain_events(struct hardware *i)
{
	struct udev_device *d;
	bool news = false;

	while ((d = udev_monitor_receive_device(i->monitor))) {
		/* At once, not when things have settled. */
		news |= restrict_sensor_sysfs(d) || get_udev_devname(d) ||
			is_light_device(d);
		udev_device_unref(d);
	}
	return news;
}
