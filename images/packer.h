/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits the file of a layer into chunks, compresses and names them, and writes
 * the chunk list.
 */
#ifndef IMAGES_PACKER_H
#define IMAGES_PACKER_H

#include <stdint.h>

#include "lib/crypto/hash.h"

struct err;

struct packed_layer {
	uint8_t digest[HASH_SIZE]; /* of the file */
	uint64_t size;
	uint8_t chunks[HASH_SIZE]; /* of the chunk list */
	uint64_t n_chunks, stored; /* bytes of the chunks, list not included */
};

/* Writes the chunks of `file` and their list into the folder `chunks`. */
int packer_pack_layer(const char *file, const char *chunks,
		      struct packed_layer *ret, struct err *e);

#endif
