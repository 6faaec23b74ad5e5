/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The changes of one layer to the paths of a tree: a map sorted by path. Paths
 * are clean, relative to the root of the tree, and contain no symbolic link; ""
 * is the root.
 */
#ifndef IMAGES_TREE_PATH_MAP_H
#define IMAGES_TREE_PATH_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct err;
struct path_map;

struct path_state {
	char *path;
	bool written;  /* an entry of this layer is here or below */
	bool included; /* goes into the layer: written, or something in it went
			*/
	bool removed;  /* what lower layers had there is gone */
	bool opaque;   /* what lower layers had below it is gone */
	bool is_timed; /* a folder whose time is set at the layer's end */
	struct timespec mtime;
	bool hidden; /* overlay_write_layer(): nothing of lower layers shows */
};

int path_map_new(struct path_map **ret, struct err *e);
void path_map_free(struct path_map *m);

/* NULL: there is none. */
struct path_state *path_map_get(const struct path_map *m, const char *path);
/* The one that is there, or a new one. It lives as long as the map. */
int path_map_add(struct path_map *m, const char *path, struct path_state **ret,
		 struct err *e);
/* Calls for each in the order of strcmp(3): a folder before what is below it.
 * Stops at the first that does not return 0, and returns that. */
int path_map_walk(const struct path_map *m,
		  int (*visit)(void *ctx, struct path_state *s, struct err *e),
		  void *ctx, struct err *e);
/* The same from the end: a folder after what is below it. */
int path_map_walk_reverse(const struct path_map *m,
			  int (*visit)(void *ctx, struct path_state *s,
				       struct err *e),
			  void *ctx, struct err *e);

static inline void path_map_freep(struct path_map **m)
{
	path_map_free(*m);
}

#endif
