/* SPDX-License-Identifier: Apache-2.0 */
/* Images, as far as the server knows them: are all their chunks here? */
#ifndef MGMT_SERVER_FLEET_IMAGE_H
#define MGMT_SERVER_FLEET_IMAGE_H

#include <stdbool.h>

#include "lib/document/doc.h"

struct err;
struct server;

/* Reads the layers' chunk lists and looks for each chunk. */
int image_check_complete(struct server *s, const struct doc_image *image,
			 bool *ret, struct err *e);
/* Looks again at the images that were not complete. */
int image_recheck_incomplete(struct server *s, bool *ret_changed,
			     struct err *e);

#endif
