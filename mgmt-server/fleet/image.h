/* SPDX-License-Identifier: Apache-2.0 */
/* Images, as far as the server knows them: are all their chunks here? */
#ifndef MGMT_SERVER_FLEET_IMAGE_H
#define MGMT_SERVER_FLEET_IMAGE_H

#include <stdbool.h>

#include "lib/document/doc.h"
#include "lib/encoding.h"

struct blobs;
struct db;
struct err;

#define IMAGE_LIST_MAX 32

struct image_list {
	unsigned int n;
	char sha256[IMAGE_LIST_MAX][ENCODING_DIGEST_SIZE];
};

/* Reads the layers' chunk lists and looks for each chunk. */
int image_check_complete(const struct blobs *blobs,
			 const struct doc_image *image, bool *ret,
			 struct err *e);
/* Which of the IMAGE_LIST_MAX newest that were not complete are now. One that
 * cannot be read is an error, but *ret has the others. */
int image_find_completed(struct db *db, const struct blobs *blobs,
			 struct image_list *ret, struct err *e);
int image_mark_complete(struct db *db, const char *sha256, struct err *e);

#endif
