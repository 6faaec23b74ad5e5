/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/disk.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYSFS "/sys/dev/block"

static bool is_part(dev_t dev)
{
	char path[64];

	snprintf(path, sizeof(path), SYSFS "/%u:%u/partition", major(dev),
		 minor(dev));
	return access(path, F_OK) == 0;
}

START_TEST(every_block_device_has_a_whole_disk)
{
	auto_closedir DIR *d = opendir(SYSFS);
	struct dirent *entry;
	unsigned int high, low;

	while (d && (entry = readdir(d))) {
		dev_t dev;

		if (sscanf(entry->d_name, "%u:%u", &high, &low) != 2)
			continue;
		dev = makedev(high, low);
		ck_assert(disk_find_whole(dev) != 0 &&
			  !is_part(disk_find_whole(dev)));
		ck_assert(is_part(dev) || disk_find_whole(dev) == dev);
	}
}
END_TEST

START_TEST(a_number_of_no_block_device_has_none)
{
	ck_assert(disk_find_whole(0) == 0);
	ck_assert(disk_find_whole(makedev(0, 41)) == 0); /* as tmpfs has one */
}
END_TEST

/* Wherever the tree lies that is tested: something is mounted there. */
START_TEST(disk_that_holds_a_mounted_file_system_is_in_use)
{
	auto_fclose FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	unsigned int high, low;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*d %*d %u:%u", &high, &low) != 2 ||
		    !disk_find_whole(makedev(high, low)))
			continue;
		ck_assert(disk_is_in_use(makedev(high, low)));
		ck_assert(disk_is_in_use(disk_find_whole(makedev(high, low))));
	}
	/* One that is not there cannot be looked at. */
	ck_assert(disk_is_in_use(makedev(4000, 1)));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, every_block_device_has_a_whole_disk);
	tcase_add_test(tc, disk_that_holds_a_mounted_file_system_is_in_use);
	tcase_add_test(tc, a_number_of_no_block_device_has_none);
}

UNIT_MAIN("disk", add)
