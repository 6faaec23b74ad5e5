/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removes the entries of lower layers from a tree, and keeps the entries of the
 * layer that is being unpacked.
 */
#ifndef IMAGES_TREE_PRUNE_H
#define IMAGES_TREE_PRUNE_H

#include <stdbool.h>

struct err;
struct path_map;

/* Below `path`, which is below the folder `top`; with `itself` at it, too. */
int prune_lower_entries(const char *top, const struct path_map *layer,
			const char *path, bool itself, struct err *e);

#endif
