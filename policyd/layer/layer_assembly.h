/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One layer being put together from chunks, straight on disk: memory holds its
 * list and a bit a chunk. The digest is taken along as the file grows.
 */
#ifndef POLICYD_LAYER_LAYER_ASSEMBLY_H
#define POLICYD_LAYER_LAYER_ASSEMBLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/chunk.h"

struct layer_assembly;
struct err;

/* `part` and `have` are the files' names in dirfd, which is borrowed; what they
 * hold from before is taken up again. Takes the list over when it succeeds. */
int layer_assembly_open(int dirfd, const char *part, const char *have,
			struct chunk_list *list, struct layer_assembly **ret,
			struct err *e);
void layer_assembly_close(struct layer_assembly *a);

/* The i-th chunk from `i` on that is missing; the list's size: none. */
size_t layer_assembly_next_missing(const struct layer_assembly *a, size_t i);
/* Borrowed; NULL: the list ends before i. */
const struct chunk *layer_assembly_get_chunk(const struct layer_assembly *a,
					     size_t i);

/* Is a chunk of that digest missing? Then the bytes go where it belongs. 1:
 * they were wanted; 0: they were not. err.chunk, err.storage-full. */
int layer_assembly_add_chunk(struct layer_assembly *a,
			     const uint8_t digest[HASH_SIZE],
			     const void *stored, size_t len, struct err *e);

/* Copies from a whole layer, whose file fd is, what its list has in common with
 * this one. */
int layer_assembly_copy_chunks(struct layer_assembly *a,
			       const struct chunk_list *list, int fd,
			       struct err *e);

/* Digests some more of what is contiguous. 1: the digest of the whole is in
 * ret; 0: chunks are missing; -EAGAIN: call again. */
int layer_assembly_update_digest(struct layer_assembly *a,
				 uint8_t ret[HASH_SIZE], struct err *e);

/* Was anything taken that was not fetched chunk by chunk just now? */
bool layer_assembly_has_reused_chunks(const struct layer_assembly *a);
/* Starts again, doubting everything. */
int layer_assembly_restart(struct layer_assembly *a, struct err *e);
/* Makes the file durable. */
int layer_assembly_sync(struct layer_assembly *a, struct err *e);

static inline void layer_assembly_closep(struct layer_assembly **a)
{
	layer_assembly_close(*a);
}

#endif
