/* SPDX-License-Identifier: Apache-2.0 */
#include "images/staging.h"

#include "images/bundle.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define OPEN_FOLDERS 32

struct staging {
	char *path, *part;
	int fd; /* of part, locked as long as we live */
	bool committed;
};

static int remove_folder_entry(const char *path, const struct stat *st,
			       int flag, struct FTW *ftw)
{
	return remove(path);
}

static int remove_folder_tree(const char *path)
{
	return nftw(path, remove_folder_entry, OPEN_FOLDERS,
		    FTW_DEPTH | FTW_PHYS) < 0
		       ? -errno
		       : 0;
}

void staging_free(struct staging *d)
{
	if (!d)
		return;
	if (!d->committed && d->fd >= 0)
		remove_folder_tree(d->part);
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d->part);
	free(d);
}

/* Opens the part folder and locks it; what somebody killed left goes. */
static int create_locked_folder(struct staging *d, struct err *e)
{
	auto_close int fd =
		open(d->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0) {
		int r;

		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return err_set(e, EBUSY, "make %s: it is being made",
				       d->path);
		r = remove_folder_tree(d->part);
		if (r < 0)
			return err_sys(e, -r, "remove %s", d->part);
	}
	if (mkdir(d->part, 0700) < 0)
		return err_sys(e, errno, "make folder %s", d->part);
	d->fd = open(d->part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->fd < 0 || flock(d->fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "lock %s", d->part);
	return 0;
}

static int check_output_folder(const char *path, bool replace, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	if (rmdir(path) == 0)
		return 0;
	if (!replace)
		return err_set(e, EEXIST,
			       "make %s: it exists (--replace would replace an "
			       "image)",
			       path);
	if (!bundle_is_present(path))
		return err_set(e, EEXIST,
			       "make %s: it exists and is not an image", path);
	return 0;
}

int staging_new(const char *path, bool replace, struct staging **ret,
		struct err *e)
{
	AUTO(staging_freep) struct staging *d = calloc(1, sizeof(*d));
	size_t len = strlen(path);
	int r;

	if (!d)
		return err_oom(e, path);
	d->fd = -1;
	while (len > 1 && path[len - 1] == '/')
		len--;
	d->path = strndup(path, len);
	if (!d->path || asprintf(&d->part, "%s.part", d->path) < 0)
		return err_oom(e, path);
	r = check_output_folder(d->path, replace, e);
	if (r == 0)
		r = create_locked_folder(d, e);
	if (r < 0)
		return r;
	*ret = steal(d);
	return 0;
}

char *staging_path(const struct staging *d, const char *name)
{
	return io_join(d->part, name);
}

int staging_remove(const struct staging *d, const char *name, struct err *e)
{
	auto_free char *path = io_join(d->part, name);
	int r;

	if (!path)
		return err_oom(e, name);
	r = remove_folder_tree(path);
	return r < 0 ? err_sys(e, -r, "remove %s", path) : 0;
}

int staging_commit(struct staging *d, struct err *e)
{
	if (fchmod(d->fd, 0755) < 0 || syncfs(d->fd) < 0)
		return err_sys(e, errno, "sync %s", d->part);
	if (rename(d->part, d->path) == 0) {
		d->committed = true;
		return 0;
	}
	if (errno != EEXIST && errno != ENOTEMPTY)
		return err_sys(e, errno, "rename %s to %s", d->part, d->path);
	/* The old image is under the part's name then, and goes with it. */
	if (renameat2(AT_FDCWD, d->part, AT_FDCWD, d->path, RENAME_EXCHANGE) <
	    0)
		return err_sys(e, errno, "replace %s", d->path);
	return 0;
}
