/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private folder into which an image is unpacked before it is packed. Names
 * come from outside: none of them can reach anything outside the folder,
 * whatever links exist in it (images/tree/tree_path.h). The layers of an OCI
 * image are applied one after the other: an entry whose parent folders are not
 * in the layer goes into those of the layers below.
 */
#ifndef IMAGES_TREE_TREE_H
#define IMAGES_TREE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct err;
struct tree;
struct tree_entry;
struct tree_omissions;

/* Makes the folder `path`, which must not exist yet. */
int tree_new(const char *path, struct tree **ret, struct err *e);
/* Closes it; the files stay. */
void tree_free(struct tree *t);

/*
 * Begins an entry. *ret_fd is what a regular file's data is written to, else
 * -1. 1: nothing more is to be done for this entry (it was left out, or is a
 * hard link). Otherwise data, tree_set_owner(), any tree_set_xattr() and
 * tree_end_entry() follow, in this order: writing and chown(2) take
 * capabilities away.
 */
int tree_begin_entry(struct tree *t, const struct tree_entry *te, int *ret_fd,
		     struct err *e);
/* Owner and mode. */
int tree_set_owner(struct tree *t, struct err *e);
/* An xattr of the current entry. Those that overlayfs would obey are
 * left out and counted. */
int tree_set_xattr(struct tree *t, const char *name, const void *value,
		   size_t len, struct err *e);
/* Is it one of those that are left out? */
bool tree_is_omitted_xattr(const char *name);
/* Ends the entry and sets its time. */
int tree_end_entry(struct tree *t, struct err *e);

/*
 * Begins the next OCI layer. From now on a symbolic link on the way to an entry
 * is followed as a program in the image would.
 */
int tree_begin_layer(struct tree *t, struct err *e);
/*
 * Applies an OCI whiteout: removes what lower layers have at `path`, if there
 * is something.
 */
int tree_apply_whiteout(struct tree *t, const char *path, struct err *e);
/* Removes everything that lower layers have in the folder `path`. */
int tree_apply_opaque(struct tree *t, const char *path, struct err *e);
/* After tree_finish_layer(): makes the folder `folder` of what the layer
 * changed, as an upper layer for overlayfs. *ret_newest: its newest time. */
int tree_write_layer(const struct tree *t, const char *folder,
		     int64_t *ret_newest, struct err *e);

/* Sets the folders' times, which the entries in them have moved; the end of a
 * layer. */
int tree_finish_layer(struct tree *t, struct err *e);

/* A file as a program in the image would read it. *ret stays NULL if there is
 * no such file. */
int tree_read_file(const struct tree *t, const char *path, size_t max,
		   char **ret, struct err *e);

/* Its open folder, borrowed. */
int tree_root_fd(const struct tree *t);
/* Is there something of this name, seen from inside? */
bool tree_has_path(int folder, const char *path);

const struct tree_omissions *tree_get_omissions(const struct tree *t);
/* The newest time of an entry, seconds. */
int64_t tree_newest_time(const struct tree *t);

static inline void tree_freep(struct tree **t)
{
	tree_free(*t);
}

#endif
