/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer that is put together now: <hex>.part in the store is what there is
 * of it, <hex>.have which of its chunks are there. One layer at a time; a chunk
 * is the unit of resuming. What a chunk list of a held layer has as well is
 * copied, not fetched.
 */
#ifndef POLICYD_LAYER_IMAGE_H
#define POLICYD_LAYER_IMAGE_H

#include <systemd/sd-bus.h>

struct err;
struct image;
struct policyd;

/* One more layer is whole. */
typedef int image_complete_fn(struct policyd *p, struct err *e);

/* `reserve`: so many bytes of the disk are left alone. */
int image_new(struct policyd *p, uint64_t reserve, image_complete_fn *whole,
	      struct image **ret, struct err *e);
void image_free(struct image *im);

/* Goes on with what the staged snapshot lacks, or stops. */
void image_resume_download(struct policyd *p);

/* Appends (kind, digest) rows of what is wanted now, at most max. */
int image_append_wanted(struct policyd *p, sd_bus_message *reply,
			unsigned int max);

/* The stored bytes of a chunk or list, from fd's start. err.chunk,
 * err.storage-full: nothing is kept. */
int image_receive_chunk(struct policyd *p, const char *digest, int fd,
			struct err *e);

static inline void image_freep(struct image **im)
{
	image_free(*im);
}

#endif
