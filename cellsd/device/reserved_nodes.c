/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/reserved_nodes.h"

#include "cellsd/container/rootfs.h"
#include "cellsd/device/device_facts.h"
#include "lib/auto.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>

#define ANY_MINOR 0xfffff

/* By number, which no rule of udev can change (Documentation/admin-guide/
 * devices.txt of the kernel). */
static const struct {
	unsigned int major, first, last;
	const char *why;
} numbers[] = {
	{ 1, 0, ANY_MINOR, "memory and the kernel's log" },
	{ 2, 0, ANY_MINOR, "a pseudo terminal" },
	{ 3, 0, ANY_MINOR, "a pseudo terminal" },
	{ 4, 0, ANY_MINOR, "a terminal of the host" },
	{ 5, 0, ANY_MINOR, "a terminal of the host" },
	{ 7, 0, ANY_MINOR, "the text of a virtual terminal" },
	{ 10, 130, 130, "the host's watchdog" },
	{ 10, 137, 137, "it makes Bluetooth adapters on the host" },
	{ 10, 144, 144, "the firmware's memory" },
	{ 10, 203, 203, "it makes devices on the host" },
	{ 10, 223, 223, "it makes input devices on the host" },
	{ 10, 231, 231, "the host's memory" },
	{ 10, 234, 234, "the host's disks" },
	{ 10, 236, 237, "the host's disks" },
	{ 10, 239, 239, "it makes input devices on the host" },
	{ 10, 242, 242, "it switches the host's radios" },
	{ 90, 0, ANY_MINOR, "the device's own flash" },
	{ 128, 0, ANY_MINOR, "a pseudo terminal" },
	{ 136, 0, ANY_MINOR, "a pseudo terminal" },
	{ 202, 0, ANY_MINOR, "the processor's registers" },
	{ 203, 0, ANY_MINOR, "the processor's registers" },
	{ 229, 0, ANY_MINOR, "a console of the host" },
};

/* By what the kernel says that it is; numbers of these are not fixed. */
static const struct {
	const char *subsystem, *sysname, *why;
} kinds[] = {
	{ "mem", "*", "memory and the kernel's log" },
	{ "vc", "*", "the text of a virtual terminal" },
	{ "vtconsole", "*", "a console of the host" },
	{ "tty", "tty", "a terminal of the host" },
	{ "tty", "tty[0-9]*", "a terminal of the host" },
	{ "tty", "ptmx", "a terminal of the host" },
	{ "tty", "console", "a console of the host" },
	{ "tty", "ttyGS*", "the device's own port to a computer" },
	{ "misc", "uinput", "it makes input devices on the host" },
	{ "misc", "uhid", "it makes input devices on the host" },
	{ "misc", "vhci", "it makes Bluetooth adapters on the host" },
	{ "misc", "cuse", "it makes devices on the host" },
	{ "misc", "rfkill", "it switches the host's radios" },
	{ "misc", "snapshot", "the host's memory" },
	{ "misc", "nvram", "the firmware's memory" },
	{ "misc", "watchdog", "the host's watchdog" },
	{ "misc", "device-mapper", "the host's disks" },
	{ "misc", "loop-control", "the host's disks" },
	{ "misc", "btrfs-control", "the host's disks" },
	{ "watchdog", "*", "the host's watchdog" },
	{ "nvme", "*", "the host's disks" },
	{ "nvme-generic", "*", "the host's disks" },
	{ "mmc_rpmb", "*", "the host's disks" },
	{ "mtd", "*", "the device's own flash" },
	{ "ubi", "*", "the device's own flash" },
	{ "vfio", "*", "the host's memory" },
	{ "uio", "*", "the host's memory" },
	{ "msr", "*", "the processor's registers" },
	{ "cpuid", "*", "the processor's registers" },
	{ "tpm", "*", "the device's TPM" },
	{ "tpmrm", "*", "the device's TPM" },
	{ "virtio-ports", "*", "a port of the virtual machine" },
	/* All clients of all VPs are in one table. */
	{ "sound", "seq", "it shows one VP the other's programs" },
};

static const char *const disk_subsystems[] = { "block", "scsi_generic", "bsg" };

static bool is_equal_string(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

static const char *get_number_reason(const struct device_facts *d)
{
	unsigned int high = major(d->number), low = minor(d->number);

	for (size_t i = 0; d->number && i < ARRAY_SIZE(numbers); i++)
		if (high == numbers[i].major && low >= numbers[i].first &&
		    low <= numbers[i].last)
			return numbers[i].why;
	return NULL;
}

static const char *get_subsystem_reason(const char *subsystem,
					const char *sysname)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (is_equal_string(subsystem, kinds[i].subsystem) && sysname &&
		    fnmatch(kinds[i].sysname, sysname, 0) == 0)
			return kinds[i].why;
	return NULL;
}

static bool is_host_console(const char *consoles, const char *sysname)
{
	size_t n = sysname ? strlen(sysname) : 0;

	while (consoles && n && *consoles) {
		size_t len = strcspn(consoles, " \n");

		if (len == n && strncmp(consoles, sysname, n) == 0)
			return true;
		consoles += len + strspn(consoles + len, " \n");
	}
	return false;
}

/* One that a person can take out, and that the host does not use itself. */
static const char *get_disk_reason(const struct device_facts *d)
{
	void *arg = d->ask.arg;
	const char *port = d->above(arg, "usb", "usb_device", "removable");

	if (d->in_use)
		return "a disk that the host uses";
	if (is_equal_string(d->ask.attribute(arg, "removable"), "1") ||
	    (port && strcmp(port, "fixed") != 0) ||
	    is_equal_string(d->above(arg, "mmc", NULL, "type"), "SD"))
		return NULL;
	return "a disk that is built in";
}

/* A hub switches the power of what hangs on it. */
static const char *get_usb_reason(const struct device_facts *d)
{
	if (is_equal_string(d->ask.attribute(d->ask.arg, "bDeviceClass"), "09"))
		return "a USB hub";
	if (is_equal_string(d->ask.attribute(d->ask.arg, "removable"), "fixed"))
		return "a USB device that is built in";
	return NULL;
}

const char *reserved_nodes_get_reason(const struct device_facts *d)
{
	const char *subsystem = d->ask.subsystem(d->ask.arg);
	const char *sysname = d->ask.sysname(d->ask.arg);
	const char *devname = d->ask.devname(d->ask.arg), *why;

	for (size_t i = 0; i < ARRAY_SIZE(disk_subsystems); i++)
		if (is_equal_string(subsystem, disk_subsystems[i]))
			return get_disk_reason(d);
	why = get_number_reason(d);
	if (!why)
		why = get_subsystem_reason(subsystem, sysname);
	if (!why && is_equal_string(subsystem, "tty") &&
	    is_host_console(d->consoles, sysname))
		why = "a console of the host";
	if (!why && is_equal_string(subsystem, "usb"))
		why = get_usb_reason(d);
	if (!why && devname && rootfs_is_own_node(devname))
		why = "a VP's own node has this name";
	return why;
}
