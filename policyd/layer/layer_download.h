/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer being put together from chunks, straight on disk: memory holds its
 * list and a bit a chunk. The digest is taken along as the file grows.
 */
#ifndef POLICYD_LAYER_LAYER_DOWNLOAD_H
#define POLICYD_LAYER_LAYER_DOWNLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/chunk.h"

struct layer_download;
struct err;

/* `part` and `have` are the files' names in dirfd, which is borrowed; what they
 * hold from before is taken up again. Takes the list over when it succeeds. */
int layer_download_open(int dirfd, const char *part, const char *have,
			struct chunk_list *list, struct layer_download **ret,
			struct err *e);
void layer_download_close(struct layer_download *a);

/* The i-th chunk from `i` on that is missing; the list's size: none. */
size_t layer_download_next_missing(const struct layer_download *a, size_t i);
/* Borrowed; NULL: the list ends before i. */
const struct chunk *layer_download_get_chunk(const struct layer_download *a,
					     size_t i);

/* Is a chunk of that digest missing? Then the bytes go where it belongs. 1:
 * they were wanted; 0: they were not. err.chunk, err.storage-full. */
int layer_download_add_chunk(struct layer_download *a,
			     const uint8_t digest[HASH_SIZE],
			     const void *stored, size_t len, struct err *e);

/* Copies from a whole layer, whose file fd is, what its list has in common with
 * this one. */
int layer_download_copy_chunks(struct layer_download *a,
			       const struct chunk_list *list, int fd,
			       struct err *e);

/* Digests some more of what is contiguous. 1: the digest of the whole is in
 * ret; 0: chunks are missing; -EAGAIN: call again. */
int layer_download_update_digest(struct layer_download *a,
				 uint8_t ret[HASH_SIZE], struct err *e);

/* Was anything taken that was not fetched chunk by chunk just now? */
bool layer_download_has_reused_chunks(const struct layer_download *a);
/* Begins anew, doubting everything. */
int layer_download_restart(struct layer_download *a, struct err *e);
/* Makes the file durable. */
int layer_download_sync(struct layer_download *a, struct err *e);

static inline void layer_download_closep(struct layer_download **a)
{
	layer_download_close(*a);
}

#endif
