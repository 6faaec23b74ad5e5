/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image in a folder: an OCI image layout (image-spec, image-layout.md), a
 * folder of skopeo's (dir:), or what `docker save` packs. Finds the image and
 * opens its layers. Each blob is held against its size and digest where the
 * manifest says them; an archive's config against the digest in its name.
 */
#ifndef IMAGES_LAYOUT_H
#define IMAGES_LAYOUT_H

#include <stdbool.h>

#include "images/oci.h"

struct err;
struct layout_kind;

struct layout {
	int dir;
	const struct layout_kind *kind;
	struct oci_archive *archive; /* NULL: of another kind */
	struct oci_manifest manifest;
	struct oci_config config;
};

bool layout_is_present(const char *path);

/* `architecture` and `tag` as for oci_parse_index(). */
int layout_open(const char *path, const char *architecture, const char *tag,
		struct layout *ret, struct err *e);
void layout_close(struct layout *l);

/* Its digest, or its file, for messages. */
const char *layout_layer_name(const struct layout *l, unsigned int layer);
/* The blob of a layer, verified, open at its beginning. */
int layout_open_layer(const struct layout *l, unsigned int layer, int *ret_fd,
		      struct err *e);

#endif
