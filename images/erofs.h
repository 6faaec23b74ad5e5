/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS files by mkfs.erofs: the same tree gives the same bytes. Files are not
 * compressed unless asked for, and their tails not put among the inodes: the
 * page cache holds one copy of each page however often it is mapped, and chunks
 * around a change stay. Debian's minbase, measured: 58 MiB of chunks, with
 * lz4hc 65; four libraries changed are 2.9 MiB to send, with lz4hc 14.5, with
 * tails inline 30. The price is room on the device, 175 MiB against 103.
 */
#ifndef IMAGES_EROFS_H
#define IMAGES_EROFS_H

#include <stdint.h>

struct err;

/*
 * Makes `file` from the folder `tree`. Times beyond `newest` become it. `index`
 * distinguishes the layers of one image (it is in the UUID, which overlayfs
 * looks at). `compress` is "lz4", "lz4hc" or NULL. `log` takes what mkfs.erofs
 * says. Without `compress` a hole of a file stays one, as far as it covers
 * whole pieces of 64 KiB.
 */
int erofs_build_layer(const char *tree, const char *file, unsigned int index,
		      int64_t newest, const char *compress, const char *log,
		      struct err *e);

#endif
