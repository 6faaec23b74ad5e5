/* SPDX-License-Identifier: Apache-2.0 */
/* What two images have in common: layers, chunks, bytes to send. */
#ifndef IMAGES_COMPARISON_H
#define IMAGES_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/hash.h"

struct bundle;
struct err;

struct comparison {
	unsigned int layers_same, layers_new, layers_gone;
	uint64_t chunks_same,
		chunks_new; /* of the new image, each counted once */
	uint64_t stored_same, stored_new; /* their stored bytes */
	unsigned int settings;		  /* that differ: init and the like */
};

int comparison_run(const struct bundle *a, const struct bundle *b,
		   struct comparison *ret, struct err *e);
bool comparison_is_same(const struct comparison *c);
int comparison_print(const struct bundle *a, const struct bundle *b,
		     const struct comparison *c, bool json, struct err *e);

/* All chunks and lists of an image, each once, in the order of their digests.
 */
struct comparison_blob {
	uint8_t digest[HASH_SIZE];
	uint64_t stored; /* bytes */
};
/* The caller frees *ret. */
int comparison_list_blobs(const struct bundle *b, bool with_lists,
			  struct comparison_blob **ret, size_t *ret_n,
			  struct err *e);

#endif
