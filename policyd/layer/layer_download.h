/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layer that is put together now: <hex>.part in the store is what there is
 * of it, <hex>.have which of its chunks are there. One layer at a time; a chunk
 * is the unit of resuming. What a chunk list of a held layer has as well is
 * copied, not fetched.
 */
#ifndef POLICYD_LAYER_LAYER_DOWNLOAD_H
#define POLICYD_LAYER_LAYER_DOWNLOAD_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "lib/encoding.h"

struct document_state;
struct err;
struct layer_download;
struct layer_store;
struct recorder;

/* All borrowed. */
struct layer_download_options {
	sd_event *event;
	struct layer_store *layers;
	struct document_state *state; /* staged_blocked may be set */
	const struct recorder *recorder;
	uint64_t reserve; /* so many bytes of the disk are left alone */
	/* One more layer is whole. */
	int (*complete)(void *arg, struct err *e);
	void *arg;
};

int layer_download_new(const struct layer_download_options *o,
		       struct layer_download **ret, struct err *e);
void layer_download_free(struct layer_download *ld);

/* Goes on with what the staged snapshot lacks, or stops. */
void layer_download_resume(struct layer_download *ld);

/* What is wanted now, at most max of it; returns how much. */
struct layer_download_wanted {
	const char *kind;
	char digest[ENCODING_DIGEST_SIZE];
};
unsigned int layer_download_list_wanted(struct layer_download *ld,
					struct layer_download_wanted *ret,
					unsigned int max);

/* The stored bytes of a chunk or list, from fd's start. err.chunk,
 * err.storage-full: nothing is kept. */
int layer_download_receive_chunk(struct layer_download *ld, const char *digest,
				 int fd, struct err *e);

static inline void layer_download_freep(struct layer_download **ld)
{
	layer_download_free(*ld);
}

#endif
