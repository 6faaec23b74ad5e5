/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of an OCI image, one after the other in one tree. */
#include "images/tree.h"

#include "images/overlay.h"
#include "images/path_map.h"
#include "images/prune.h"
#include "images/tree_path.h"
#include "images/tree_state.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int tree_begin_layer(struct tree *t, struct err *e)
{
	AUTO(pathmap_freep) struct pathmap *fresh = NULL;
	int r;

	treestate_drop_current(t);
	treestate_drop_parent(t);
	r = pathmap_new(&fresh, e);
	if (r < 0)
		return r;
	pathmap_free(t->layer);
	t->layer = steal(fresh);
	t->layered = true;
	return treestate_note(t, "", false, NULL, e);
}

int tree_write_layer(const struct tree *t, const char *folder,
		     int64_t *ret_newest, struct err *e)
{
	return overlay_write(t->top, t->layer, folder, ret_newest, e);
}

/* The folder at a clean path, if there is one: 1, with its path free of links;
 * 0: there is none. */
static int find_folder(struct tree *t, const char *path, int *ret,
		       char place[PATH_MAX], struct err *e)
{
	auto_close int fd =
		treepath_open(t->root, path, t->layered, O_PATH | O_DIRECTORY);
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : treepath_refuse(path, errno, e);
	r = treepath_of(t->root, fd, place, e);
	if (r < 0)
		return r;
	*ret = steal_fd(fd);
	return 1;
}

int tree_whiteout(struct tree *t, const char *whiteout, struct err *e)
{
	char path[PATH_MAX], place[PATH_MAX], whole[PATH_MAX];
	auto_close int folder = -1;
	struct path_state *s;
	const char *name;
	struct stat st;
	char *slash;
	int r;

	treestate_drop_current(t);
	r = treepath_clean(whiteout, path, e);
	if (r < 0)
		return r;
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	r = find_folder(t, slash ? path : "", &folder, place, e);
	if (r <= 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return r;
	r = treepath_join(place, name, whole, e);
	if (r == 0)
		r = treestate_note(t, place, false, NULL, e);
	if (r == 0)
		r = pathmap_add(t->layer, whole, &s, e);
	/* The layer's own entry of that name stands above the lower ones. */
	if (r == 0 && (!s->written || S_ISDIR(st.st_mode))) {
		r = prune_run(t->top, t->layer, whole, true, e);
		s->removed = true;
	}
	/* The open parent may be gone now. */
	treestate_drop_parent(t);
	return r;
}

/* Overlayfs takes no word of a layer's root: each name in it is hidden. */
static int hide_root(struct tree *t, struct err *e)
{
	int fd = openat(t->root, ".", O_RDONLY | O_CLOEXEC);
	auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *one;
	int r = 0;

	if (!dir) {
		r = err_sys(e, errno, "read the root of the image");
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r == 0 && (one = readdir(dir))) {
		struct path_state *s;

		if (strcmp(one->d_name, ".") == 0 ||
		    strcmp(one->d_name, "..") == 0)
			continue;
		r = pathmap_add(t->layer, one->d_name, &s, e);
		if (r == 0)
			s->removed = true;
	}
	return r;
}

int tree_opaque(struct tree *t, const char *folder, struct err *e)
{
	char path[PATH_MAX], place[PATH_MAX] = "";
	struct path_state *s;
	auto_close int fd = -1;
	int r;

	treestate_drop_current(t);
	r = treepath_clean(folder, path, e);
	if (r == 0)
		r = find_folder(t, path, &fd, place, e);
	if (r <= 0)
		return r;
	r = treestate_note(t, place, false, &s, e);
	if (r == 0 && !*place)
		r = hide_root(t, e);
	if (r == 0)
		r = prune_run(t->top, t->layer, place, false, e);
	if (r == 0 && *place)
		s->opaque = true;
	treestate_drop_parent(t);
	return r;
}
