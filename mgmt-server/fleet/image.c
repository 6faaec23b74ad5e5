/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/image.h"

#include "lib/auto.h"
#include "lib/chunk.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/core/server.h"
#include "mgmt-server/store/blob.h"
#include "mgmt-server/store/document.h"

#include <errno.h>
#include <string.h>

#define RECHECK_MAX 32

static int check_layer_complete(struct server *s, const struct doc_layer *layer,
				bool *ret, struct err *e)
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
	r = blob_read(s->blobs, digest, &fd, &size, e);
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
		if (!blob_has(s->blobs, list->chunk[i].digest))
			return 0;
	*ret = true;
	return 0;
}

int image_check_complete(struct server *s, const struct doc_image *image,
			 bool *ret, struct err *e)
{
	bool all = true;

	for (unsigned int i = 0; all && i < image->n_layers; i++) {
		int r = check_layer_complete(s, &image->layer[i], &all, e);

		if (r < 0)
			return r;
	}
	*ret = all;
	return 0;
}

int image_recheck_incomplete(struct server *s, bool *ret_changed, struct err *e)
{
	char sha256[RECHECK_MAX][ENCODING_DIGEST_SIZE];
	unsigned int n = 0;
	sqlite3_stmt *st = NULL;
	int res = 0;
	int r = db_query(s->db, &st, e,
			 "SELECT sha256 FROM document WHERE type = 'image' AND"
			 " complete = 0 AND state <> 'withdrawn'"
			 " ORDER BY number DESC",
			 "");

	if (r < 0)
		return r;
	while (n < RECHECK_MAX && (r = db_step(s->db, st, e)) > 0)
		snprintf(sha256[n++], ENCODING_DIGEST_SIZE, "%s",
			 db_text(st, 0));
	sqlite3_reset(st);
	if (r < 0)
		return r;
	/* One that cannot be read keeps no other one back. */
	for (unsigned int i = 0; i < n; i++) {
		AUTO(doc_freep) struct doc *d = NULL;
		bool complete = false;

		r = document_load(s->db, sha256[i], &d, e);
		if (r == 0)
			r = image_check_complete(s, doc_as_image(d), &complete,
						 e);
		if (r < 0)
			res = r;
		if (r < 0 || !complete)
			continue;
		r = server_begin_write(s, e);
		if (r == 0)
			r = db_run(s->db, e,
				   "UPDATE document SET complete = 1,"
				   " rev = rev + 1 WHERE sha256 = ?",
				   "s", sha256[i]);
		if (r < 0)
			return r;
		*ret_changed = true;
	}
	return res;
}

/* ---- as administrators see them */
#define COLUMNS                                                                \
	"SELECT number, id, version, sha256, state, complete, signers"         \
	" FROM document"

static int build_image_json(struct request *rq, sqlite3_stmt *st, json_t **ret,
			    struct err *e)
{
	AUTO(doc_freep) struct doc *d = NULL;
	auto_json json_t *layers = json_array();
	const struct doc_image *image;
	uint64_t size = 0;
	int r = document_load(rq->server->db, db_text(st, 3), &d, e);

	if (r < 0)
		return r;
	image = doc_as_image(d);
	for (unsigned int i = 0; i < image->n_layers; i++) {
		const struct doc_layer *l = &image->layer[i];

		size += l->size;
		json_array_append_new(layers,
				      json_pack("{s:s, s:I, s:s}", "digest",
						l->digest, "size",
						(json_int_t)l->size, "chunks",
						l->chunks));
	}
	*ret = json_pack("{s:s, s:I, s:s, s:s, s:s, s:I, s:b, s:O, s:o}", "id",
			 db_text(st, 1), "version",
			 (json_int_t)sqlite3_column_int64(st, 2), "sha256",
			 db_text(st, 3), "state", db_text(st, 4),
			 "architecture", image->architecture, "size",
			 (json_int_t)size, "complete",
			 sqlite3_column_int(st, 5), "layers", layers, "signers",
			 json_loads(db_text(st, 6), 0, NULL));
	return *ret ? 0 : err_oom(e, "list images");
}

int image_list(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = COLUMNS,
		.where = "type = 'image' AND state <> 'withdrawn'",
		.key = "number",
		.desc = true,
		.row = build_image_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

int image_show(struct request *rq, struct err *e)
{
	struct db *db = rq->server->db;
	bool latest = strcmp(rq->param[1], "latest") == 0;
	uint64_t version = 0;
	sqlite3_stmt *st = NULL;
	json_t *j = NULL;
	int r = 0;

	if (latest ||
	    encoding_parse_number(rq->param[1], INT32_MAX, &version) == 0) {
		r = db_query(db, &st, e,
			     COLUMNS " WHERE type = 'image' AND id = ? AND"
				     " (? OR version = ?) ORDER BY state IN"
				     " ('proposed', 'withdrawn'), version DESC"
				     " LIMIT 1",
			     "sii", rq->param[0], (int64_t)latest,
			     (int64_t)version);
		if (r == 0)
			r = db_step(db, st, e);
	}
	if (r == 0)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no such image");
	if (r > 0)
		r = build_image_json(rq, st, &j, e);
	return r < 0 ? r : request_answer_json(rq, 200, j, e);
}
