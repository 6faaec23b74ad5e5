/* SPDX-License-Identifier: Apache-2.0 */
/* What a tree that is being filled holds: for the files that fill it. */
#ifndef IMAGES_TREE_TREE_STATE_H
#define IMAGES_TREE_TREE_STATE_H

#include <stdint.h>

#include "images/tree/tree_entry.h"

struct err;
struct path_map;
struct path_state;

struct tree {
	char *top;
	int root;
	bool layered;		/* layers are applied one after the other */
	struct path_map *layer; /* folders; if layered all that it changed */
	char *parent_path; /* as the archive named what is open as `parent`;
			    * NULL: none */
	char *place;	   /* its path, free of links */
	int parent;
	struct tree_entry current; /* its path lives until its end */
	char *name;		   /* its last component in `parent` */
	int fd;			   /* of a regular file or a folder; -1 */
	struct tree_omissions notes;
	int64_t newest;
};

/* Forgets the open parent: names may have changed. */
void tree_state_close_parent(struct tree *t);
/* Closes the current entry. */
void tree_state_close_entry(struct tree *t);

/*
 * Notes that `path`, which is free of links, and all folders above it go into
 * the layer, and of folders the time that they have. Before anything is made or
 * removed in them. `written`: because of an entry, which a whiteout does not
 * remove. ret may be NULL.
 */
int tree_state_record_path(struct tree *t, const char *path, bool written,
			   struct path_state **ret, struct err *e);
/* The same of a folder, with the time that it is to have at the end. */
int tree_state_record_time(struct tree *t, const char *place, const char *name,
			   const struct timespec *mtime, struct err *e);

#endif
