/* SPDX-License-Identifier: Apache-2.0 */
/* All xattrs of an open file. */
#ifndef IMAGES_TREE_XATTR_H
#define IMAGES_TREE_XATTR_H

struct err;

/* Removes them: a new file may have been given some by its folder's ACL. */
int xattr_clear(int fd, const char *name, struct err *e);
/* Gives `to` those of `from`, and no others. */
int xattr_copy(int from, int to, const char *name, struct err *e);

#endif
