/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer that is put together now: <hex>.part in the store is what there is
 * of it, <hex>.have which of its chunks are there. One layer at a time; a chunk
 * is the unit of resuming. What a chunk list of a held layer has as well is
 * copied, not fetched.
 */
#ifndef POLICYD_LAYER_IMAGE_H
#define POLICYD_LAYER_IMAGE_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "lib/encoding.h"

struct document_state;
struct err;
struct image;
struct layer_store;
struct recorder;

/* All borrowed. */
struct image_options {
	sd_event *event;
	struct layer_store *layers;
	struct document_state *state; /* staged_blocked may be set */
	const struct recorder *recorder;
	uint64_t reserve; /* so many bytes of the disk are left alone */
	/* One more layer is whole. */
	int (*complete)(void *arg, struct err *e);
	void *arg;
};

int image_new(const struct image_options *o, struct image **ret, struct err *e);
void image_free(struct image *im);

/* Goes on with what the staged snapshot lacks, or stops. */
void image_resume_download(struct image *im);

/* What is wanted now, at most max of it; returns how much. */
struct image_wanted {
	const char *kind;
	char digest[ENCODING_DIGEST_SIZE];
};
unsigned int image_list_wanted(struct image *im, struct image_wanted *ret,
			       unsigned int max);

/* The stored bytes of a chunk or list, from fd's start. err.chunk,
 * err.storage-full: nothing is kept. */
int image_receive_chunk(struct image *im, const char *digest, int fd,
			struct err *e);

static inline void image_freep(struct image **im)
{
	image_free(*im);
}

#endif
