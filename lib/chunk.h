/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunk lists: how to assemble a layer's EROFS file from chunks. A list is a
 * text:
 *   cells-chunks 1
 *   <sha256:hex of the stored chunk> <its bytes> <bytes of the layer it holds>
 *   ...
 * in the order of the layer. A stored chunk is one zstd frame. It is named by
 * the digest of the compressed bytes, so that it is verified before it is
 * decompressed. The list is stored under its own digest.
 */
#ifndef LIB_CHUNK_H
#define LIB_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

/* In bytes. A layer is split into chunks of MIN to MAX, AVG on average. */
#define CHUNK_LIST_MAX (64 * 1024 * 1024)
#define CHUNK_STORED_MAX (1024 * 1024)
#define CHUNK_SIZE_MIN (16 * 1024)
#define CHUNK_SIZE_AVG (64 * 1024)
#define CHUNK_SIZE_MAX (256 * 1024)

struct err;

struct chunk {
	uint8_t digest[HASH_SIZE];
	uint32_t stored, size; /* bytes: of the frame, of what it holds */
};

struct chunk_list {
	size_t n;
	uint64_t size; /* of the layer */
	struct chunk chunk[];
};

/* err.chunk. The caller frees *ret with free(). */
int chunk_list_parse(const char *text, size_t len, struct chunk_list **ret,
		     struct err *e);
/* The caller frees *ret. */
int chunk_list_text(const struct chunk *chunks, size_t n, char **ret,
		    size_t *ret_len, struct err *e);

/*
 * Verifies the stored bytes with the digest, then decompresses them into a
 * buffer of exactly `size` bytes from the caller. err.chunk.
 */
int chunk_unpack(const struct chunk *c, const void *stored, size_t stored_len,
		 void *ret, struct err *e);
/* Compresses at most CHUNK_SIZE_MAX bytes; fills *ret_chunk; the caller frees
 * *ret. */
int chunk_pack(const void *data, size_t len, struct chunk *ret_chunk,
	       void **ret, size_t *ret_len, struct err *e);

#endif
