/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of an OCI image, one after the other in one tree. */
#include "images/tree/tree.h"

#include "images/tree/overlay.h"
#include "images/tree/path_map.h"
#include "images/tree/prune.h"
#include "images/tree/tree_path.h"
#include "images/tree/tree_state.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int tree_begin_layer(struct tree *t, struct err *e)
{
	AUTO(path_map_freep) struct path_map *fresh = NULL;
	int r;

	tree_state_close_entry(t);
	tree_state_close_parent(t);
	r = path_map_new(&fresh, e);
	if (r < 0)
		return r;
	path_map_free(t->layer);
	t->layer = steal(fresh);
	t->layered = true;
	return tree_state_record_path(t, "", false, NULL, e);
}

int tree_write_layer(const struct tree *t, const char *folder,
		     int64_t *ret_newest, struct err *e)
{
	return overlay_write_layer(t->top, t->layer, folder, ret_newest, e);
}

/* The folder at a clean path, if there is one: 1, with its path free of links;
 * 0: there is none. */
static int find_tree_folder(struct tree *t, const char *path, int *ret,
			    char place[PATH_MAX], struct err *e)
{
	auto_close int fd =
		tree_path_open(t->root, path, t->layered, O_PATH | O_DIRECTORY);
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : tree_path_set_error(path, errno, e);
	r = tree_path_of_fd(t->root, fd, place, e);
	if (r < 0)
		return r;
	*ret = steal_fd(fd);
	return 1;
}

int tree_apply_whiteout(struct tree *t, const char *whiteout, struct err *e)
{
	char path[PATH_MAX], place[PATH_MAX], whole[PATH_MAX];
	auto_close int folder = -1;
	struct path_state *s;
	const char *name;
	struct stat st;
	char *slash;
	int r;

	tree_state_close_entry(t);
	r = tree_path_normalize(whiteout, path, e);
	if (r < 0)
		return r;
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	r = find_tree_folder(t, slash ? path : "", &folder, place, e);
	if (r <= 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return r;
	r = tree_path_join(place, name, whole, e);
	if (r == 0)
		r = tree_state_record_path(t, place, false, NULL, e);
	if (r == 0)
		r = path_map_add(t->layer, whole, &s, e);
	/* The layer's own entry of that name hides the lower ones. */
	if (r == 0 && (!s->written || S_ISDIR(st.st_mode))) {
		r = prune_lower_entries(t->top, t->layer, whole, true, e);
		s->removed = true;
	}
	/* The open parent may be gone now. */
	tree_state_close_parent(t);
	return r;
}

/* Overlayfs takes no word of a layer's root: each name in it is hidden. */
static int hide_root_entries(struct tree *t, struct err *e)
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
		r = path_map_add(t->layer, one->d_name, &s, e);
		if (r == 0)
			s->removed = true;
	}
	return r;
}

int tree_apply_opaque(struct tree *t, const char *folder, struct err *e)
{
	char path[PATH_MAX], place[PATH_MAX] = "";
	struct path_state *s;
	auto_close int fd = -1;
	int r;

	tree_state_close_entry(t);
	r = tree_path_normalize(folder, path, e);
	if (r == 0)
		r = find_tree_folder(t, path, &fd, place, e);
	if (r <= 0)
		return r;
	r = tree_state_record_path(t, place, false, &s, e);
	if (r == 0 && !*place)
		r = hide_root_entries(t, e);
	if (r == 0)
		r = prune_lower_entries(t->top, t->layer, place, false, e);
	if (r == 0 && *place)
		s->opaque = true;
	tree_state_close_parent(t);
	return r;
}
