/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as it lies in a folder:
 *   image.json         the signed document (DSSE), or
 *   image.xml          the document that is not signed yet
 *   chunks/<hex>       chunks and chunk lists, each named by its SHA-256
 *   layers/<hex>.erofs the layers, named by theirs
 */
#ifndef IMAGES_BUNDLE_H
#define IMAGES_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

#define BUNDLE_SIGNED "image.json"
#define BUNDLE_DOCUMENT "image.xml"
#define BUNDLE_CHUNKS "chunks"
#define BUNDLE_LAYERS "layers"

struct chunk;
struct chunk_list;
struct doc;
struct doc_image;
struct envelope;
struct err;

struct bundle {
	char *path;
	struct doc *doc;
	const struct doc_image *image;
	struct envelope *env; /* NULL: not signed */
};

/* Is there an image document in the folder? */
bool bundle_is_present(const char *path);

/* Reads the document. Its signatures are not looked at. */
int bundle_open(const char *path, struct bundle *ret, struct err *e);
void bundle_close(struct bundle *b);

/* chunks/<hex> of a digest, and a layer's file; the caller frees. */
char *bundle_chunk_path(const struct bundle *b,
			const uint8_t digest[HASH_SIZE]);
char *bundle_layer_path(const struct bundle *b, unsigned int layer);

/* The stored bytes of a chunk (or list): verified. err.chunk. Caller frees. */
int bundle_read_chunk(const struct bundle *b, const uint8_t digest[HASH_SIZE],
		      size_t max, void **ret, size_t *ret_len, struct err *e);

/* The chunk list of a layer, verified, and its size held against the layer's.
 * The caller frees *ret. */
int bundle_read_chunk_list(const struct bundle *b, unsigned int layer,
			   struct chunk_list **ret, struct err *e);

/*
 * Puts a layer together from its chunks and writes it to fd (-1: nowhere), all
 * verified, the layer's own digest at last. err.chunk, err.image-digest.
 */
int bundle_assemble_layer(const struct bundle *b, unsigned int layer, int fd,
			  struct err *e);

#endif
