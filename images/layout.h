/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OCI image layout in a folder (image-spec, image-layout.md): finds the
 * image and opens its layers, each blob held against its size and digest.
 */
#ifndef IMAGES_LAYOUT_H
#define IMAGES_LAYOUT_H

#include <stdbool.h>

#include "images/oci.h"

struct err;

struct layout {
	int dir;
	struct oci_manifest manifest;
	struct oci_config config;
};

bool layout_is_there(const char *path);

/* `architecture` and `tag` as for oci_index(). */
int layout_open(const char *path, const char *architecture, const char *tag,
		struct layout *ret, struct err *e);
void layout_close(struct layout *l);

/* The blob of a layer, verified, open at its beginning. */
int layout_layer(const struct layout *l, unsigned int layer, int *ret_fd,
		 struct err *e);

#endif
