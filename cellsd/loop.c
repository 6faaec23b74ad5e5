/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/loop.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define LOOP_MAJOR 7
#define TRIES 64
#define SYSFS "/sys/block"

/* /dev may be a plain directory: then the node has to be made. */
static int open_node(int number, int flags, char path[LOOP_PATH_SIZE])
{
	int fd;

	snprintf(path, LOOP_PATH_SIZE, "/dev/loop%d", number);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, number)) < 0)
		return -1;
	return open(path, flags | O_CLOEXEC);
}

int loop_attach(int file, bool readonly, char path[LOOP_PATH_SIZE], int *ret,
		struct err *e)
{
	auto_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (unsigned int)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR |
				 (readonly ? LO_FLAGS_READ_ONLY : 0),
	};

	if (control < 0)
		return err_sys(e, errno, "open /dev/loop-control");
	for (int i = 0; i < TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		auto_close int fd = -1;

		if (number >= 0)
			fd = open_node(number, readonly ? O_RDONLY : O_RDWR,
				       path);
		if (fd < 0)
			return err_sys(e, errno, "open a loop device");
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
			*ret = steal_fd(fd);
			return 0;
		}
		if (errno != EBUSY)
			return err_sys(e, errno, "set up /dev/loop%d", number);
	}
	return err_sys(e, EBUSY, "find a free loop device");
}

static bool is_of(int fd, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(fd, LOOP_GET_STATUS64, &info) == 0 &&
	       info.lo_device == file->st_dev && info.lo_inode == file->st_ino;
}

int loop_find(int file, char path[LOOP_PATH_SIZE], int *ret, struct err *e)
{
	auto_closedir DIR *d = opendir(SYSFS);
	struct dirent *entry;
	struct stat st;

	if (!d || fstat(file, &st) < 0)
		return err_sys(e, errno, "look for a loop device");
	while ((entry = readdir(d))) {
		char bound[64 + sizeof(entry->d_name)];
		auto_close int fd = -1;
		int number;

		if (sscanf(entry->d_name, "loop%d", &number) != 1)
			continue;
		/* Those without a file are left alone. */
		snprintf(bound, sizeof(bound), SYSFS "/%s/loop", entry->d_name);
		if (access(bound, F_OK) < 0)
			continue;
		fd = open_node(number, O_RDWR, path);
		if (fd < 0 || !is_of(fd, &st))
			continue;
		*ret = steal_fd(fd);
		return 0;
	}
	return err_set(e, ENOENT, "look for a loop device: there is none");
}
