/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS files by mkfs.erofs: the same tree gives the same bytes. Files are not
 * compressed unless asked for: readers get the page cache's own pages with no
 * second copy, chunks of an update stay the same around a change, and zstd on
 * the chunks makes the transfer smaller than lz4 blocks would.
 */
#ifndef IMAGES_EROFS_H
#define IMAGES_EROFS_H

#include <stdint.h>

struct err;

/*
 * Makes `file` from the folder `tree`. Times beyond `newest` become it. `index`
 * tells the layers of one image apart (it is in the UUID, which overlayfs looks
 * at). `compress` is "lz4", "lz4hc" or NULL. `log` takes what mkfs.erofs says.
 */
int erofs_make(const char *tree, const char *file, unsigned int index,
	       int64_t newest, const char *compress, const char *log,
	       struct err *e);

#endif
