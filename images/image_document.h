/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an image document, and signing it right away where asked for. */
#ifndef IMAGES_IMAGE_DOCUMENT_H
#define IMAGES_IMAGE_DOCUMENT_H

#include <stdint.h>

#include "images/packer.h"
#include "lib/document/doc.h"

struct err;

struct image_document {
	const char *org, *id;
	uint32_t version;
	int64_t issued, expires;
	const char *architecture, *init, *stop_signal;
	uint32_t min_agent;
	unsigned int n_layers;
	struct packed_layer layer[DOC_LAYERS_MAX]; /* lowest first */
};

/* The XML, tested as any reader will; the caller frees *ret. */
int image_document_format(const struct image_document *d, char **ret,
			  struct err *e);

/*
 * The envelope of the XML, signed by a key file (cells-key(5) or PEM), whose
 * password is in `password_file` or asked for. The caller frees *ret.
 */
int image_document_sign(const char *xml, const char *key_file,
			const char *password_file, char **ret, struct err *e);

#endif
