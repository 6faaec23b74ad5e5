/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one layer did to the paths of a tree: a map sorted by path. Paths are
 * clean, below the tree's root, and hold no symbolic link; "" is the root.
 */
#ifndef IMAGES_PATH_MAP_H
#define IMAGES_PATH_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct err;
struct pathmap;

struct path_state {
	char *path;
	bool written;  /* an entry of this layer stands here or below */
	bool included; /* goes into the layer: written, or something in it went
			*/
	bool removed;  /* what lower layers had there is gone */
	bool opaque;   /* what lower layers had below it is gone */
	bool is_timed; /* a folder whose time is set at the layer's end */
	struct timespec mtime;
	bool hidden; /* overlay_write(): lower layers do not show below it */
};

int pathmap_new(struct pathmap **ret, struct err *e);
void pathmap_free(struct pathmap *m);

/* NULL: there is none. */
struct path_state *pathmap_get(const struct pathmap *m, const char *path);
/* The one that is there, or a new one. It lives as long as the map. */
int pathmap_add(struct pathmap *m, const char *path, struct path_state **ret,
		struct err *e);
/* Calls for each in the order of strcmp(3): a folder before what is below it.
 * Stops at the first that does not return 0, and returns that. */
int pathmap_walk(const struct pathmap *m,
		 int (*visit)(void *ctx, struct path_state *s, struct err *e),
		 void *ctx, struct err *e);
/* The same from the end: a folder after what is below it. */
int pathmap_walk_back(const struct pathmap *m,
		      int (*visit)(void *ctx, struct path_state *s,
				   struct err *e),
		      void *ctx, struct err *e);

static inline void pathmap_freep(struct pathmap **m)
{
	pathmap_free(*m);
}

#endif
