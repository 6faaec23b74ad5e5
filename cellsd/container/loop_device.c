/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/container/loop_device.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
static int open_loop_node(int number, int flags,
			  char path[LOOP_DEVICE_PATH_SIZE])
{
	int fd;

	snprintf(path, LOOP_DEVICE_PATH_SIZE, "/dev/loop%d", number);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mknod(path, S_IFBLK | 0600, makedev(LOOP_MAJOR, number)) < 0 &&
	    errno != EEXIST)
		return -1;
	return open(path, flags | O_CLOEXEC);
}

int loop_device_attach(int file, bool readonly,
		       char path[LOOP_DEVICE_PATH_SIZE], int *ret,
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
			fd = open_loop_node(number,
					    readonly ? O_RDONLY : O_RDWR, path);
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

/* Those without a file are left alone. 1, 0 or -errno. */
static int is_loop_bound(const char *name)
{
	char path[64 + NAME_MAX];

	snprintf(path, sizeof(path), SYSFS "/%s/loop", name);
	if (access(path, F_OK) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

/* Opens it if it is the file's: 1, 0 or -errno. */
static int open_loop_if_backed_by(int number, const struct stat *file,
				  char path[LOOP_DEVICE_PATH_SIZE], int *ret)
{
	auto_close int fd = open_loop_node(number, O_RDONLY, path);
	struct loop_info64 info;

	/* It may have lost its file, or gone, meanwhile. */
	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
		return errno == ENXIO || errno == ENOENT ? 0 : -errno;
	if (info.lo_device != file->st_dev || info.lo_inode != file->st_ino)
		return 0;
	/* Open, it keeps its file. */
	*ret = open_loop_node(number, O_RDWR, path);
	return *ret < 0 ? -errno : 1;
}

int loop_device_find(int file, char path[LOOP_DEVICE_PATH_SIZE], int *ret,
		     struct err *e)
{
	auto_closedir DIR *d = opendir(SYSFS);
	struct dirent *entry;
	struct stat st;

	/* Without sysfs nobody knows that there is none. */
	if (!d)
		return err_sys(e, errno == ENOENT ? ENODEV : errno,
			       "open " SYSFS);
	if (fstat(file, &st) < 0)
		return err_sys(e, errno, "look for a loop device");
	while ((errno = 0, entry = readdir(d))) {
		int number, r;

		if (sscanf(entry->d_name, "loop%d", &number) != 1)
			continue;
		r = is_loop_bound(entry->d_name);
		if (r > 0)
			r = open_loop_if_backed_by(number, &st, path, ret);
		if (r < 0)
			return err_sys(e, -r, "look at /dev/loop%d", number);
		if (r > 0)
			return 0;
	}
	if (errno)
		return err_sys(e, errno, "read " SYSFS);
	return err_set(e, ENOENT, "look for a loop device: there is none");
}
