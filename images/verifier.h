/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies an image: each chunk, each layer, and the signatures. */
#ifndef IMAGES_VERIFIER_H
#define IMAGES_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>

struct bundle;
struct err;

/* Digests of all chunks and lists, and of layers put together from them; with
 * `files` of the layer files as well, where there are any. err.chunk,
 * err.image-digest. */
int verifier_check_digests(const struct bundle *b, bool files, struct err *e);

/*
 * Holds the signatures against the root document in `root_file` (an envelope),
 * which must have the digest `pin` unless that is NULL. ret has `size` bytes
 * for the signers' names.
 */
int verifier_check_signatures(const struct bundle *b, const char *root_file,
			      const char *pin, char *ret, size_t size,
			      struct err *e);

#endif
