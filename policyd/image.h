/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers of images, as files of the state folder: layers/<hex> whole ones,
 * <hex>.part one that is being put together, <hex>.have which of its chunks are
 * there; lists/<hex> the chunk lists. One layer at a time; a chunk is the unit
 * of resuming. What a chunk list of a held layer has as well is copied, not
 * fetched.
 */
#ifndef POLICYD_IMAGE_H
#define POLICYD_IMAGE_H

#include <systemd/sd-bus.h>

#include "policyd/held.h"

struct err;
struct image;
struct policyd;

/* One more layer is whole. */
typedef int image_whole_fn(struct policyd *p, struct err *e);

/* `reserve`: so many bytes of the disk are left alone. */
int image_new(struct policyd *p, uint64_t reserve, image_whole_fn *whole,
	      struct image **ret, struct err *e);
void image_free(struct image *im);

/* Are all layers of these documents' images whole? */
bool image_is_ready(struct policyd *p, const struct held *docs);

/* Goes on with what the staged snapshot lacks, or stops. */
void image_continue(struct policyd *p);

/* Appends (kind, digest) rows of what is wanted now, at most max. */
int image_wants(struct policyd *p, sd_bus_message *reply, unsigned int max);

/* The stored bytes of a chunk or list, from fd's start. err.chunk,
 * err.storage-full: nothing is kept. */
int image_put(struct policyd *p, const char *digest, int fd, struct err *e);

/* Read-only; -errno. */
int image_open_layer(struct policyd *p, const char *digest);

/* Once in each boot: are the layers in force what they were? Deletes one that
 * is not; 1: that happened, and it has to be awaited again. */
int image_check(struct policyd *p, struct err *e);

/* Deletes what neither the set in force nor the staged one uses. */
void image_collect(struct policyd *p);

static inline void image_freep(struct image **im)
{
	image_free(*im);
}

#endif
