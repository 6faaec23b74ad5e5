/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/document/doc.h"
#include "lib/document/doc_read.h"
#include "lib/document/xml.h"
#include "lib/encoding.h"

#include <string.h>

#define LAYER_SIZE_MAX (UINT64_C(1) << 40)

static const struct doc_read_attribute image_table[] = {
	DOC_READ("architecture", TEXT, struct doc_image, architecture),
	DOC_READ("init", TEXT, struct doc_image, init),
	DOC_READ("stop-signal", TEXT, struct doc_image, stop_signal),
	DOC_READ("min-agent", NUMBER, struct doc_image, min_agent, .min = 1,
		 .max = INT32_MAX),
	{ NULL },
};

static const struct doc_read_attribute layer_table[] = {
	DOC_READ("digest", TEXT, struct doc_layer, digest),
	DOC_READ("size", NUMBER, struct doc_layer, size, .min = 1,
		 .max = LAYER_SIZE_MAX),
	DOC_READ("chunks", TEXT, struct doc_layer, chunks),
	{ NULL },
};

static int read_image_layer(const struct xml_node *n, struct doc_image *image,
			    struct err *e)
{
	struct doc_layer *layer = &image->layer[image->n_layers];
	uint8_t digest[HASH_SIZE];
	int r;

	if (image->n_layers == DOC_LAYERS_MAX)
		return doc_read_error(n, e, "more than %d layers",
				      DOC_LAYERS_MAX);
	r = doc_read_attributes(n, layer_table, layer, e);
	if (r < 0)
		return r;
	if (encoding_parse_digest(layer->digest, digest) < 0 ||
	    encoding_parse_digest(layer->chunks, digest) < 0)
		return doc_read_error(n, e, "not a digest");
	image->n_layers++;
	return 0;
}

/* It is run below the image's own root; still no way up is ever meant. */
static bool is_canonical_path(const char *path)
{
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (len == 0 || (len <= 2 && strspn(path, ".") == len))
			return false;
		path += len;
	}
	return *path == '\0';
}

int doc_image_read(const struct xml_node *n, struct doc *ret, struct err *e)
{
	struct doc_image *image = (struct doc_image *)ret;
	int r;

	r = doc_read_attributes(n, image_table, image, e);
	if (r < 0)
		return r;
	if (!is_canonical_path(image->init))
		return doc_read_error(n, e, "init='%s' is not a plain path",
				      image->init);
	for (const struct xml_node *c = xml_first(n); c; c = xml_next(c)) {
		r = read_image_layer(c, image, e);
		if (r < 0)
			return r;
	}
	return 0;
}
