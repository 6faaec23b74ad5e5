/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/tree_path.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>

int tree_path_normalize(const char *path, char ret[PATH_MAX], struct err *e)
{
	char *out = ret;

	if (*path == '/')
		return err_set(e, EINVAL, "entry '%.200s': an absolute name",
			       path);
	if (strlen(path) >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "entry '%.200s...': too long",
			       path);
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && memcmp(path, "..", 2) == 0)
			return err_set(e, EINVAL,
				       "entry '%.200s': '..' in the name",
				       path);
		if (n > TREE_PATH_NAME_MAX)
			return err_set(e, ENAMETOOLONG,
				       "entry '%.120s...': a name is too long, "
				       "mkfs.erofs takes %d bytes at most",
				       path, TREE_PATH_NAME_MAX);
		if (n > 0 && !(n == 1 && *path == '.')) {
			if (out > ret)
				*out++ = '/';
			memcpy(out, path, n);
			out += n;
		}
		path += n;
		path += *path == '/';
	}
	*out = '\0';
	return 0;
}

int tree_path_open(int root, const char *path, bool in_root, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = (in_root ? RESOLVE_IN_ROOT : RESOLVE_BENEATH) |
			   RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how,
			    sizeof(how));
}

static int read_fd_path(int fd, char ret[PATH_MAX], struct err *e)
{
	char name[sizeof("/proc/self/fd/") + 11];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, ret, PATH_MAX);
	if (n < 0)
		return err_sys(e, errno, "find a folder's path");
	if (n == PATH_MAX)
		return err_set(e, ENAMETOOLONG, "find a folder's path");
	ret[n] = '\0';
	return 0;
}

int tree_path_of_fd(int root, int folder, char ret[PATH_MAX], struct err *e)
{
	char top[PATH_MAX];
	size_t n;
	int r;

	r = read_fd_path(root, top, e);
	if (r == 0)
		r = read_fd_path(folder, ret, e);
	if (r < 0)
		return r;
	n = strlen(top);
	if (strncmp(ret, top, n) != 0 || (ret[n] != '/' && ret[n] != '\0'))
		return err_set(e, EXDEV, "%s is not below %s", ret, top);
	n += ret[n] == '/';
	memmove(ret, ret + n, strlen(ret + n) + 1);
	return 0;
}

int tree_path_join(const char *folder, const char *name, char ret[PATH_MAX],
		   struct err *e)
{
	int n = snprintf(ret, PATH_MAX, "%s%s%s", folder,
			 *folder && *name ? "/" : "", name);

	return n < PATH_MAX ? 0
			    : err_set(e, ENAMETOOLONG,
				      "entry '%.200s...': too long", folder);
}

int tree_path_set_error(const char *path, int code, struct err *e)
{
	if (code == EXDEV || code == ELOOP)
		return err_set(
			e, EINVAL,
			"entry below '%s': a link there leads out of the "
			"image",
			path);
	return err_sys(e, code, "entry below '%s'", path);
}
