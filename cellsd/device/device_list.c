/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/device_list.h"

#include "cellsd/device/reserved_nodes.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* Nodes that reach below the classes: they follow the device's other nodes. */
static const char *const raw_subsystems[] = { "usb", "hidraw",
					      "tty", "usbmisc",
					      "bsg", "scsi_generic" };

/* Of these a raw node must not reach one that is reserved; and sensors. */
const char *const device_list_subsystems[] = {
	"usb",	 "hidraw",	 "tty", "usbmisc", "bsg",
	"block", "scsi_generic", "iio", NULL
};

/* Devns makes these itself, with no device behind them. */
static const char *const power_nodes[] = { "power/wake_lock",
					   "power/wake_unlock", "power/screen",
					   "power/state" };

struct device_list {
	const struct profile *profile;
	size_t n;
	struct device_list_item item[DEVICE_LIST_NODES_MAX];
};

int device_list_new(const struct profile *p, struct device_list **ret,
		    struct err *e)
{
	struct device_list *l = calloc(1, sizeof(*l));

	if (!l)
		return err_oom(e, "list the hardware");
	l->profile = p;
	*ret = l;
	return 0;
}

void device_list_free(struct device_list *l)
{
	free(l);
}

static bool is_raw_subsystem(const char *subsystem)
{
	for (size_t i = 0; i < ARRAY_SIZE(raw_subsystems); i++)
		if (strcmp(raw_subsystems[i], subsystem) == 0)
			return true;
	return false;
}

/* LEDs and backlights have no node: they are named by their place in sysfs. */
static bool get_node_name(const struct device_facts *d, const char *subsystem,
			  char ret[BACKEND_NAME_SIZE])
{
	const char *node = d->ask.devname(d->ask.arg);
	int n = -1;

	if (node && d->number)
		n = snprintf(ret, BACKEND_NAME_SIZE, "%s", node);
	else if (strcmp(subsystem, "leds") == 0 ||
		 strcmp(subsystem, "backlight") == 0)
		n = snprintf(ret, BACKEND_NAME_SIZE, "%s/%s", subsystem,
			     d->ask.sysname(d->ask.arg));
	return n > 0 && n < BACKEND_NAME_SIZE;
}

/* The lights of a keyboard are set through its event node; with a second view
 * of them, what one shows the other would put out at each switch. */
static bool is_keyboard_light(const struct device_facts *d,
			      const char *subsystem)
{
	return strcmp(subsystem, "leds") == 0 &&
	       d->above(d->ask.arg, "input", NULL, "name");
}

/* What a udev rule says counts in place of what profiles say: it may be to give
 * the device to nobody. So does a word that is not understood. */
static void set_own_classes(const struct device_list *l,
			    const struct device_facts *d,
			    struct device_list_item *item)
{
	const char *value = d->ask.property(d->ask.arg, UDEV_CLASS_PROPERTY);

	item->reserved = reserved_nodes_get_reason(d);
	if (!value)
		item->own = profile_match_device(l->profile, &d->ask);
	else if (udev_class_parse(value, &item->own, item->unknown_class) < 0)
		item->own = 0;
	if (value && !item->own && !item->reserved)
		item->reserved = "a udev rule gives it to no VP";
	item->by_udev = value;
	item->node.classes = item->own;
}

static bool is_listed(const struct device_list *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->item[i].path, path) == 0)
			return true;
	return false;
}

void device_list_add(struct device_list *l, const struct device_facts *d)
{
	struct device_list_item *item = &l->item[l->n];
	const char *subsystem = d->ask.subsystem(d->ask.arg), *hardware;

	if (l->n == DEVICE_LIST_NODES_MAX || !subsystem ||
	    is_keyboard_light(d, subsystem) || is_listed(l, d->path))
		return;
	memset(item, 0, sizeof(*item));
	if (!get_node_name(d, subsystem, item->node.name))
		return;
	snprintf(item->path, sizeof(item->path), "%s", d->path);
	item->node.block = strcmp(subsystem, "block") == 0;
	item->node.major = major(d->number);
	item->node.minor = minor(d->number);
	item->node.instance = d->instance;
	set_own_classes(l, d, item);
	hardware = is_raw_subsystem(subsystem) ? d->hardware(d->ask.arg) : NULL;
	if (hardware)
		snprintf(item->hardware, sizeof(item->hardware), "%s",
			 hardware);
	if (item->node.classes || hardware || item->reserved)
		l->n++;
}

static void add_power_nodes(struct device_list *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(power_nodes); i++) {
		struct device_list_item *item = &l->item[l->n];

		if (l->n == DEVICE_LIST_NODES_MAX)
			return;
		memset(item, 0, sizeof(*item));
		snprintf(item->node.name, sizeof(item->node.name), "%s",
			 power_nodes[i]);
		item->node.classes = 1U << CELLS_CLASS_POWER;
		l->n++;
	}
}

static bool is_path_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(path, folder, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

/* Through the device itself all is reached that the device has. */
static bool is_whole_device(const struct device_list_item *raw)
{
	return strcmp(raw->path, raw->hardware) == 0;
}

/*
 * A raw node needs every class of the hardware that it reaches; through a
 * device as a whole nothing is reached that is reserved.
 */
static void merge_raw_node_classes(struct device_list *l)
{
	for (size_t a = 0; a < l->n; a++) {
		struct device_list_item *raw = &l->item[a];

		for (size_t b = 0; *raw->hardware && b < l->n; b++) {
			const struct device_list_item *other = &l->item[b];

			if (a == b ||
			    !is_path_below(other->path, raw->hardware))
				continue;
			if (is_whole_device(raw) || !*other->hardware)
				raw->node.classes |= other->own;
			if (is_whole_device(raw) && other->reserved &&
			    !raw->reserved)
				raw->reserved = other->reserved;
		}
	}
}

void device_list_finish(struct device_list *l)
{
	merge_raw_node_classes(l);
	add_power_nodes(l);
}

const struct device_list_item *device_list_items(const struct device_list *l,
						 size_t *ret_n)
{
	*ret_n = l->n;
	return l->item;
}
