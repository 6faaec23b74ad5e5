/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/file_tree.h"

#include "lib/auto.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512
#define FIRST_ROOM 64

/* A folder that the walk came through, and where to go on in it. */
struct tree_parent {
	dev_t dev;
	ino_t ino;
	long at;
};

struct tree_walk {
	bool remove;
	uint64_t bytes;
	DIR *here;
	struct tree_parent *above;
	unsigned long depth, room;
};

static void tree_walk_fini(struct tree_walk *w)
{
	auto_closedirp(&w->here);
	free(w->above);
}

static int open_walk_folder(struct tree_walk *w, int dir, const char *name)
{
	auto_close int fd = openat(
		dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return -errno;
	steal_fd(fd);
	auto_closedirp(&w->here);
	w->here = d;
	return 0;
}

static int descend_into_folder(struct tree_walk *w, const char *name, long at)
{
	struct stat st;

	if (w->depth == w->room) {
		unsigned long room = w->room ? w->room * 2 : FIRST_ROOM;
		struct tree_parent *more =
			reallocarray(w->above, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->above = more;
		w->room = room;
	}
	if (fstat(dirfd(w->here), &st) < 0)
		return -errno;
	w->above[w->depth++] = (struct tree_parent){ st.st_dev, st.st_ino, at };
	return open_walk_folder(w, dirfd(w->here), name);
}

static int return_to_parent(struct tree_walk *w)
{
	const struct tree_parent *to = &w->above[--w->depth];
	struct stat st;
	int r = open_walk_folder(w, dirfd(w->here), "..");

	if (r < 0)
		return r;
	if (fstat(dirfd(w->here), &st) < 0)
		return -errno;
	/* Moved away meanwhile, it would lead out of the root. */
	if (st.st_dev != to->dev || st.st_ino != to->ino)
		return -ESTALE;
	seekdir(w->here, to->at);
	return 0;
}

static int measure_tree_entry(struct tree_walk *w, const char *name)
{
	struct stat st;

	if (fstatat(dirfd(w->here), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	w->bytes += (uint64_t)st.st_blocks * BLOCK;
	return S_ISDIR(st.st_mode)
		       ? descend_into_folder(w, name, telldir(w->here))
		       : 0;
}

/* Of a folder that is not empty yet it comes back to `at`, which is before it.
 */
static int delete_tree_entry(struct tree_walk *w, const char *name, long at)
{
	int dir = dirfd(w->here);
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0 ||
	    errno == ENOENT)
		return 0;
	return errno == ENOTEMPTY ? descend_into_folder(w, name, at) : -errno;
}

static int walk_file_tree(struct tree_walk *w, int dir, const char *name)
{
	int r = open_walk_folder(w, dir, name);

	if (!w->here)
		return r == -ENOENT ? 0 : r;
	while (r == 0) {
		long at = telldir(w->here);
		struct dirent *entry;

		errno = 0;
		entry = readdir(w->here);
		if (!entry && (errno || w->depth == 0))
			return -errno;
		if (!entry)
			r = return_to_parent(w);
		else if (strcmp(entry->d_name, ".") != 0 &&
			 strcmp(entry->d_name, "..") != 0)
			r = w->remove ? delete_tree_entry(w, entry->d_name, at)
				      : measure_tree_entry(w, entry->d_name);
	}
	return r;
}

int file_tree_measure(int dir, const char *name, uint64_t *ret_bytes)
{
	AUTO(tree_walk_fini) struct tree_walk w = { 0 };
	int r = walk_file_tree(&w, dir, name);

	if (r == 0)
		*ret_bytes = w.bytes;
	return r;
}

int file_tree_remove(int dir, const char *name)
{
	int r;

	/* Not on every file system does a place stay when others go. */
	do {
		AUTO(tree_walk_fini) struct tree_walk w = { .remove = true };

		r = walk_file_tree(&w, dir, name);
		if (r < 0)
			return r;
		r = unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
	} while (r == -ENOTEMPTY);
	return r == -ENOENT ? 0 : r;
}
