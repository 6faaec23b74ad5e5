/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of images, as files of the state folder: layers/<hex> whole ones, and
 * beside them what image.h puts together; lists/<hex> their chunk lists. A
 * digest is "sha256:<hex>".
 */
#ifndef POLICYD_LAYER_STORE_H
#define POLICYD_LAYER_STORE_H

#include <stdbool.h>
#include <stddef.h>

struct chunk_list;
struct doc_image;
struct doc_layer;
struct err;
struct held;
struct policyd;
struct shelf;

/* Makes the folders below `dir`, where they are missing. */
int shelf_new(const char *dir, struct shelf **ret, struct err *e);
void shelf_free(struct shelf *s);

/* The file's name: the hex of a digest, borrowed. */
const char *shelf_name(const char *digest);
/* The folder of layers, borrowed. */
int shelf_layers(const struct shelf *s);

bool shelf_has_layer(const struct shelf *s, const char *digest);
bool shelf_has_list(const struct shelf *s, const char *digest);
/* Read-only, which the caller closes; -errno. */
int shelf_open_layer(const struct shelf *s, const char *digest);

/* The caller frees *ret. */
int shelf_read_list(const struct shelf *s, const char *digest,
		    struct chunk_list **ret, struct err *e);
/* -ENOSPC: there is no room. */
int shelf_put_list(struct shelf *s, const char *digest, const void *data,
		   size_t len, struct err *e);

/* The first layer of these documents' images that is not whole yet, and its
 * image, both borrowed; NULL: all are. */
const struct doc_layer *shelf_missing(const struct shelf *s,
				      const struct held *docs,
				      const struct doc_image **ret_doc);

/* Once in each boot: are the layers in force what they were? Deletes one that
 * is not; 1: that happened, and it has to be awaited again. */
int shelf_check(struct policyd *p, struct err *e);

/* Deletes what neither the set in force nor the staged one uses. */
void shelf_collect(struct policyd *p);

static inline void shelf_freep(struct shelf **s)
{
	shelf_free(*s);
}

#endif
