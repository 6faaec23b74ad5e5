/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/image.h"

#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "mgmt-server/store/blob.h"
#include "mgmt-server/store/document.h"

#include <errno.h>
#include <string.h>

static int check_layer_complete(const struct blobs *blobs,
				const struct doc_layer *layer, bool *ret,
				struct err *e)
{
	AUTO(auto_freep) struct chunk_list *list = NULL;
	uint8_t digest[HASH_SIZE];
	auto_close int fd = -1;
	auto_free char *text = NULL;
	uint64_t size;
	size_t len = 0;
	int r;

	*ret = false;
	if (encoding_parse_digest(layer->chunks, digest) < 0)
		return 0;
	r = blob_read(blobs, digest, &fd, &size, e);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = io_read_fd(fd, layer->chunks, CHUNK_LIST_MAX, &text, &len,
			       e);
	if (r < 0)
		return r;
	/* A list that is none, or of another layer, never gets complete. */
	if (chunk_list_parse(text, len, &list, e) < 0 ||
	    list->size != layer->size)
		return 0;
	for (size_t i = 0; i < list->n; i++)
		if (!blob_has(blobs, list->chunk[i].digest))
			return 0;
	*ret = true;
	return 0;
}

int image_check_complete(const struct blobs *blobs,
			 const struct doc_image *image, bool *ret,
			 struct err *e)
{
	bool all = true;

	for (unsigned int i = 0; all && i < image->n_layers; i++) {
		int r = check_layer_complete(blobs, &image->layer[i], &all, e);

		if (r < 0)
			return r;
	}
	*ret = all;
	return 0;
}

int image_find_completed(struct db *db, const struct blobs *blobs,
			 struct image_list *ret, struct err *e)
{
	struct image_list all = { 0 };
	AUTO(db_done) struct db_row *row = NULL;
	int res = 0;
	int r = db_query(db, &row, e,
			 "SELECT sha256 FROM document WHERE type = 'image' AND"
			 " complete = 0 AND state <> 'withdrawn'"
			 " ORDER BY number DESC",
			 "");

	ret->n = 0;
	if (r < 0)
		return r;
	while (all.n < IMAGE_LIST_MAX && db_next(row, &r, e))
		snprintf(all.sha256[all.n++], ENCODING_DIGEST_SIZE, "%s",
			 db_text(row, 0));
	db_done(&row);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < all.n; i++) {
		AUTO(doc_freep) struct doc *d = NULL;
		bool complete = false;

		r = document_load(db, all.sha256[i], &d, e);
		if (r == 0)
			r = image_check_complete(blobs, doc_as_image(d),
						 &complete, e);
		if (r < 0)
			res = r;
		else if (complete)
			memcpy(ret->sha256[ret->n++], all.sha256[i],
			       ENCODING_DIGEST_SIZE);
	}
	return res;
}

int image_mark_complete(struct db *db, const char *sha256, struct err *e)
{
	return db_run(db, e,
		      "UPDATE document SET complete = 1, rev = rev + 1"
		      " WHERE sha256 = ?",
		      "s", sha256);
}
