/* SPDX-License-Identifier: Apache-2.0 */
/* Takes what lower layers had out of a tree, and leaves what the layer that is
 * being unpacked has put there. */
#ifndef IMAGES_TREE_PRUNE_H
#define IMAGES_TREE_PRUNE_H

#include <stdbool.h>

struct err;
struct path_map;

/* Below `path`, which is below the folder `top`; with `itself` at it, too. */
int prune_lower_entries(const char *top, const struct path_map *layer,
			const char *path, bool itself, struct err *e);

#endif
