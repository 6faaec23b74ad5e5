/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/disk_reserve.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PART (128 * 1024) /* for one start, with a log of 64 MiB */
#define ROOM (8 * (uint64_t)DISK_RESERVE_MAX)

static int open_reserve_file(const char *dir, int flags, int *ret,
			     struct err *e)
{
	auto_free char *path = io_join(dir, DISK_RESERVE_FILE);

	if (!path)
		return err_oom(e, DISK_RESERVE_FILE);
	*ret = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret < 0 ? err_sys(e, errno, "open %s", path) : 0;
}

int disk_reserve_release(const char *dir, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;
	int r = open_reserve_file(dir, 0, &fd, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "use what is kept in %s", dir);
	if (st.st_size == 0)
		return 0;
	if (ftruncate(fd, st.st_size > PART ? st.st_size - PART : 0) < 0 ||
	    fsync(fd) < 0)
		return err_sys(e, errno, "use what is kept in %s", dir);
	return 1;
}

int disk_reserve_fill(const char *dir, struct err *e)
{
	auto_close int fd = -1;
	struct statvfs fs;
	struct stat st;
	int r;

	if (statvfs(dir, &fs) < 0)
		return err_sys(e, errno, "look at %s", dir);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < ROOM)
		return 0;
	r = open_reserve_file(dir, O_CREAT, &fd, e);
	if (r < 0)
		return r;
	if (fstat(fd, &st) == 0 && st.st_size >= DISK_RESERVE_MAX)
		return 0;
	r = posix_fallocate(fd, 0, DISK_RESERVE_MAX);
	return r == 0 || r == ENOSPC || r == EDQUOT
		       ? 0
		       : err_sys(e, r, "keep room in %s", dir);
}
