/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/io.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST_READ 4096

int io_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_fd(int fd, const char *name, size_t max, char **ret,
	       size_t *ret_len, struct err *e)
{
	auto_free char *data = NULL;
	size_t len = 0, room = 0;

	for (;;) {
		ssize_t n;

		if (room - len < 2) {
			size_t more = room ? room * 2 : FIRST_READ;
			char *bigger = realloc(data, more);

			if (!bigger)
				return err_sys(e, ENOMEM, "read %s", name);
			data = bigger;
			room = more;
		}
		n = read(fd, data + len, room - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read %s", name);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return err_reason(e, REASON_TOO_LARGE,
					  "read %s: more than %zu bytes", name,
					  max);
	}
	data[len] = '\0';
	*ret = steal(data);
	*ret_len = len;
	return 0;
}

int io_read_file(const char *path, size_t max, char **ret, size_t *ret_len,
		 struct err *e)
{
	auto_close int fd = -1;

	if (strcmp(path, "-") == 0)
		return io_read_fd(STDIN_FILENO, "standard input", max, ret,
				  ret_len, e);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open %s", path);
	return io_read_fd(fd, path, max, ret, ret_len, e);
}

int io_sync_folder(const char *path, struct err *e)
{
	auto_free char *copy = strdup(path);
	auto_close int fd = -1;

	if (!copy)
		return err_oom(e, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, errno, "sync the folder of %s", path);
	return 0;
}

/* Written beside, and renamed with these flags. */
static int replace_file_at(int dir, const char *name, const void *data,
			   size_t len, mode_t mode, unsigned int flags,
			   int *ret, struct err *e)
{
	auto_free char *temp = NULL;
	auto_close int fd = -1;
	int r;

	if (asprintf(&temp, "%s.new", name) < 0)
		return err_oom(e, name);
	fd = openat(dir, temp,
		    O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
		    mode);
	if (fd < 0)
		return err_sys(e, errno, "create %s", temp);
	r = io_write_all(fd, data, len);
	if (r < 0)
		return err_sys(e, -r, "write %s", temp);
	if (fsync(fd) < 0)
		return err_sys(e, errno, "sync %s", temp);
	if (renameat2(dir, temp, dir, name, flags) < 0)
		return err_sys(e, errno, "put %s in place", name);
	*ret = steal_fd(fd);
	return 0;
}

int io_replace_fd(const char *path, const void *data, size_t len, mode_t mode,
		  int *ret, struct err *e)
{
	return replace_file_at(AT_FDCWD, path, data, len, mode, 0, ret, e);
}

int io_replace_file(const char *path, const void *data, size_t len, mode_t mode,
		    struct err *e)
{
	auto_close int fd = -1;
	int r = io_replace_fd(path, data, len, mode, &fd, e);

	return r < 0 ? r : io_sync_folder(path, e);
}

int io_make_file(int dir, const char *name, const void *data, size_t len,
		 struct err *e)
{
	auto_close int fd = -1;
	int r = replace_file_at(dir, name, data, len, 0600, RENAME_NOREPLACE,
				&fd, e);

	if (r == 0 && fsync(dir) < 0)
		r = err_sys(e, errno, "sync the folder of %s", name);
	return r;
}

int io_create_empty(const char *path, mode_t mode, struct err *e)
{
	auto_close int fd =
		open(path, O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);

	return fd < 0 ? err_sys(e, errno, "create %s", path) : 0;
}

int io_mkdirs(const char *path, mode_t mode, struct err *e)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return err_oom(e, path);
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make folder %s", copy);
		if (c == '\0')
			return 0;
		*p = c;
	}
}

char *io_join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}
