/* SPDX-License-Identifier: Apache-2.0 */
/* An entry of a tree that something is done to after it has ended. */
#ifndef IMAGES_TREE_TREE_PLACE_H
#define IMAGES_TREE_TREE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct tree;
struct tree_place;

/* Of the current entry. */
int tree_place_new(const struct tree *t, struct tree_place **ret,
		   struct err *e);
void tree_place_free(struct tree_place *p);
const char *tree_place_path(const struct tree_place *p);
/* Is it still the same file? */
bool tree_place_is_unchanged(const struct tree *t, const struct tree_place *p);
/* tree_set_xattr() on it. */
int tree_place_set_xattr(struct tree *t, const struct tree_place *p,
			 const char *name, const void *value, size_t len,
			 struct err *e);

#endif
