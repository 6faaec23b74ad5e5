/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one layer changed of a tree, as overlayfs wants an upper layer:
 * whiteouts are devices 0:0, a folder that hides the lower ones has an xattr.
 */
#ifndef IMAGES_TREE_OVERLAY_H
#define IMAGES_TREE_OVERLAY_H

#include <stdint.h>

struct err;
struct path_map;

#define OVERLAY_OPAQUE "trusted.overlay.opaque"

/*
 * Fills the new folder `to` from the tree `from`, to which the layer has been
 * applied: all that it wrote, as the tree has it now, and whiteouts for what it
 * removed. A file is a hard link to the tree's. Other names of a file that the
 * layer linked come along, so that they stay one file. *ret_newest: seconds.
 */
int overlay_write_layer(const char *from, struct path_map *layer,
			const char *to, int64_t *ret_newest, struct err *e);

#endif
