/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of images, as files of the state folder: layers/<hex> whole ones, and
 * beside them what image.h puts together; lists/<hex> their chunk lists. A
 * digest is "sha256:<hex>".
 */
#ifndef POLICYD_LAYER_LAYER_STORE_H
#define POLICYD_LAYER_LAYER_STORE_H

#include <stdbool.h>
#include <stddef.h>

#define LAYER_STORE_HEX 64 /* of a file name */

struct chunk_list;
struct doc_image;
struct doc_layer;
struct err;
struct document_set;
struct document_state;
struct layer_store;
struct store;

/* Makes the folders below `dir`, where they are missing. */
int layer_store_new(const char *dir, struct layer_store **ret, struct err *e);
void layer_store_free(struct layer_store *s);

/* The file's name: the hex of a digest, borrowed. */
const char *layer_store_get_file_name(const char *digest);
/* The folder of layers, borrowed. */
int layer_store_get_layers_fd(const struct layer_store *s);

bool layer_store_has_layer(const struct layer_store *s, const char *digest);
bool layer_store_has_chunk_list(const struct layer_store *s,
				const char *digest);
/* Read-only, which the caller closes; -errno. */
int layer_store_open_layer(const struct layer_store *s, const char *digest);

/* The caller frees *ret. */
int layer_store_read_chunk_list(const struct layer_store *s, const char *digest,
				struct chunk_list **ret, struct err *e);
/* -ENOSPC: there is no room. */
int layer_store_write_chunk_list(struct layer_store *s, const char *digest,
				 const void *data, size_t len, struct err *e);

/* The first layer of these documents' images that is not whole yet, and its
 * image, both borrowed; NULL: all are. */
const struct doc_layer *
layer_store_find_missing_layer(const struct layer_store *s,
			       const struct document_set *docs,
			       const struct doc_image **ret_doc);

/* Once in each boot: are the layers of `docs` what they were? Deletes one that
 * is not; 1: that happened, and it has to be awaited again. */
int layer_store_verify_layers(const struct layer_store *s, struct store *store,
			      const struct document_set *docs, struct err *e);

/* Deletes chunk lists and parts that neither the set in force nor the staged
 * one uses, and calls fn for each whole layer, whose file's name is `hex`:
 * cellsd may have it still. */
typedef void layer_store_unused_fn(void *ctx, const char *hex);
void layer_store_remove_unused(struct layer_store *s,
			       const struct document_state *docs,
			       layer_store_unused_fn *fn, void *ctx);
/* Deletes the layer, if it is unused still. */
void layer_store_delete_unused(struct layer_store *s,
			       const struct document_state *docs,
			       const char *hex);

static inline void layer_store_freep(struct layer_store **s)
{
	layer_store_free(*s);
}

#endif
