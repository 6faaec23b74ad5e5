/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives and folders into a tree, by libarchive. What an archive may cost is
 * bounded before it is written: entries, bytes, and bytes per compressed byte.
 */
#ifndef IMAGES_TREE_UNPACK_H
#define IMAGES_TREE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>

#include "images/tree/acl.h"
#include "lib/crypto/hash.h"

struct err;
struct tree;

#define UNPACK_ENTRIES 500000
#define UNPACK_BYTES (UINT64_C(16) << 30)
#define UNPACK_RATIO 200
/* What a ratio is not looked at below. */
#define UNPACK_RATIO_FROM (UINT64_C(16) << 20)

/* Limits, and what was used of them: kept over all layers of an image. */
struct unpack {
	uint64_t max_entries, max_bytes, max_ratio;
	uint64_t entries, bytes;
	struct acl_deferred acls; /* while an archive is read */
};

void unpack_init(struct unpack *u);

/* Counts one entry of so many bytes. -EFBIG: beyond the limits. */
int unpack_count_entry(struct unpack *u, uint64_t bytes, const char *name,
		       struct err *e);

/*
 * Unpacks a tar of any compression from fd. With `whiteouts` the names of OCI
 * layers that begin with .wh. mean what image-spec's layer.md says. ret_diff_id
 * (may be NULL) is the SHA-256 of the decompressed bytes.
 */
int unpack_tar(struct unpack *u, int fd, const char *name, bool whiteouts,
	       struct tree *t, uint8_t ret_diff_id[HASH_SIZE], struct err *e);

/* The same from a folder. */
int unpack_folder(struct unpack *u, const char *path, struct tree *t,
		  struct err *e);

/*
 * Is the tar an OCI image layout, or of `docker save`? Looks at names only, up
 * to the first that has no place in one.
 */
int unpack_is_layout(struct unpack *u, int fd, const char *name, bool *ret,
		     struct err *e);

#endif
