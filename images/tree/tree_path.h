/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names from outside as places in a tree: nothing but what lies below its root
 * is reached, whatever links were made there before (openat2(2)).
 */
#ifndef IMAGES_TREE_TREE_PATH_H
#define IMAGES_TREE_TREE_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* mkfs.erofs 1.5 stops at a name of NAME_MAX bytes. */
#define TREE_PATH_NAME_MAX 254

struct err;

/*
 * Writes the path without empty and "." components; "" is the root. -EINVAL:
 * it has ".." or a leading "/".
 */
int tree_path_normalize(const char *path, char ret[PATH_MAX], struct err *e);

/*
 * Opens a clean path, by openat2's `flags`; -1 with errno. A link that leads
 * out is EXDEV, or with `in_root` stays inside: "/" is the tree's root then, as
 * it is for programs in the image.
 */
int tree_path_open(int root, const char *path, bool in_root, uint64_t flags);

/* The path of an open folder below `root`, free of links. */
int tree_path_of_fd(int root, int folder, char ret[PATH_MAX], struct err *e);

/* "a/b" of "a" and "b"; "b" if the folder is the root. */
int tree_path_join(const char *folder, const char *name, char ret[PATH_MAX],
		   struct err *e);

/* Says why nothing can be put below `path`. */
int tree_path_set_error(const char *path, int code, struct err *e);

#endif
