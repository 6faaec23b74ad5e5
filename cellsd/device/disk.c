/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/disk.h"

#include "lib/auto.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYSFS "/sys/dev/block"

dev_t disk_find_whole(dev_t dev)
{
	char folder[64], path[96];
	auto_fclose FILE *f = NULL;
	unsigned int high, low;

	snprintf(folder, sizeof(folder), SYSFS "/%u:%u", major(dev),
		 minor(dev));
	snprintf(path, sizeof(path), "%s/partition", folder);
	if (access(folder, F_OK) < 0)
		return 0;
	if (access(path, F_OK) < 0)
		return dev;
	/* A part's folder lies in that of its disk. */
	snprintf(path, sizeof(path), "%s/../dev", folder);
	f = fopen(path, "re");
	return f && fscanf(f, "%u:%u", &high, &low) == 2 ? makedev(high, low)
							 : 0;
}

static bool is_path_on_disk(const char *path, dev_t disk)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
	       disk_find_whole(st.st_rdev) == disk;
}

/* Some file systems have numbers of their own: their source is looked at. */
static bool is_disk_mounted(dev_t disk)
{
	auto_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[2 * PATH_MAX + 256], source[PATH_MAX];
	unsigned int high, low;
	bool used = !f;

	while (!used && fgets(line, sizeof(line), f)) {
		const char *rest = strstr(line, " - ");

		used = sscanf(line, "%*d %*d %u:%u", &high, &low) == 2 &&
		       disk_find_whole(makedev(high, low)) == disk;
		if (rest && sscanf(rest, " - %*s %4095s", source) == 1)
			used |= is_path_on_disk(source, disk);
	}
	return used;
}

static bool is_disk_used_as_swap(dev_t disk)
{
	auto_fclose FILE *f = fopen("/proc/swaps", "re");
	char line[PATH_MAX + 256], path[PATH_MAX];
	bool used = false;

	/* A kernel without swap has no such file. */
	while (f && !used && fgets(line, sizeof(line), f))
		used = sscanf(line, "%4095s", path) == 1 &&
		       is_path_on_disk(path, disk);
	return used;
}

static bool has_device_holder(dev_t dev)
{
	auto_closedir DIR *d = NULL;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), SYSFS "/%u:%u/holders", major(dev),
		 minor(dev));
	d = opendir(path);
	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			return true;
	return false;
}

/* The disk itself, or a part of it: their folders have a file `dev`. */
static bool has_disk_holder(dev_t disk)
{
	auto_closedir DIR *d = NULL;
	struct dirent *entry;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYSFS "/%u:%u", major(disk), minor(disk));
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		unsigned int high, low;
		auto_fclose FILE *f = NULL;

		if (entry->d_name[0] == '.' || entry->d_type != DT_DIR)
			continue;
		snprintf(path, sizeof(path), SYSFS "/%u:%u/%s/dev", major(disk),
			 minor(disk), entry->d_name);
		f = fopen(path, "re");
		if (f && fscanf(f, "%u:%u", &high, &low) == 2 &&
		    has_device_holder(makedev(high, low)))
			return true;
	}
	return has_device_holder(disk);
}

bool disk_is_in_use(dev_t dev)
{
	dev_t disk = disk_find_whole(dev);

	return !disk || is_disk_mounted(disk) || is_disk_used_as_swap(disk) ||
	       has_disk_holder(disk);
}
