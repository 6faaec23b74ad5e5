/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/store/document.h"

#include <errno.h>
#include <string.h>

#define COLUMNS                                                                \
	"SELECT number, id, version, sha256, state, complete, signers"         \
	" FROM document"

static int build_image_json(struct request *rq, struct db_row *row,
			    json_t **ret, struct err *e)
{
	AUTO(doc_freep) struct doc *d = NULL;
	auto_json json_t *layers = json_array();
	const struct doc_image *image;
	uint64_t size = 0;
	int r = document_load(rq->db, db_text(row, 3), &d, e);

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
			 db_text(row, 1), "version", (json_int_t)db_int(row, 2),
			 "sha256", db_text(row, 3), "state", db_text(row, 4),
			 "architecture", image->architecture, "size",
			 (json_int_t)size, "complete", db_bool(row, 5),
			 "layers", layers, "signers",
			 json_from_text(db_text(row, 6)));
	return *ret ? 0 : err_oom(e, "list images");
}

int image_api_list(struct request *rq, struct err *e)
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

int image_api_show(struct request *rq, struct err *e)
{
	struct db *db = rq->db;
	bool latest = strcmp(rq->param[1], "latest") == 0;
	uint64_t version = 0;
	AUTO(db_done) struct db_row *row = NULL;
	json_t *j = NULL;
	int r = 0;

	if (latest ||
	    encoding_parse_number(rq->param[1], INT32_MAX, &version) == 0)
		r = db_first(db, &row, e,
			     COLUMNS " WHERE type = 'image' AND id = ? AND"
				     " (? OR version = ?) ORDER BY state IN"
				     " ('proposed', 'withdrawn'), version DESC"
				     " LIMIT 1",
			     "sii", rq->param[0], (int64_t)latest,
			     (int64_t)version);
	if (r == 0)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no such image");
	if (r > 0)
		r = build_image_json(rq, row, &j, e);
	return r < 0 ? r : request_answer_json(rq, 200, j, e);
}
