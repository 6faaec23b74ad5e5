/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/disk.h"

#include "lib/auto.h"

#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYSFS "/sys/dev/block"

dev_t disk_whole(dev_t dev)
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
