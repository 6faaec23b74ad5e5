/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and snapshots as administrators see them. */
#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/listing.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/fleet/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define GROUP_COLUMNS                                                          \
	"SELECT id, version, sha256, expires, signers,"                        \
	" (SELECT count(*) FROM device WHERE grp = document.id"                \
	"  AND device.state = 'active'),"                                      \
	" (SELECT count(*) FROM device WHERE grp = document.id"                \
	"  AND device.state = 'active' AND compliant = 1)"                     \
	" FROM document"
#define NEWEST "type = 'group' AND state IN ('valid', 'active')"

static json_t *build_group_refs_json(const struct doc_group *g)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < g->n_refs; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i}", "type",
					doc_type_name(g->ref[i].type), "id",
					g->ref[i].id, "min_version",
					(int)g->ref[i].min_version));
	return list;
}

static int build_group_json(struct request *rq, struct db_row *row,
			    json_t **ret, struct err *e)
{
	const struct composition *c = NULL;
	AUTO(doc_freep) struct doc *d = NULL;
	int r = document_load(rq->db, db_text(row, 2), &d, e);

	if (r == 0)
		r = snapshot_get_composition(rq->context->snapshots,
					     db_text(row, 0), &c, e);
	if (r < 0)
		return r;
	assert(c);
	*ret = json_pack(
		"{s:s, s:I, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:o}", "id",
		db_text(row, 0), "version", (json_int_t)db_int(row, 1),
		"sha256", db_text(row, 2), "expires",
		request_optional_time(db_int(row, 3)), "signers",
		json_from_text(db_text(row, 4)), "devices",
		(json_int_t)db_int(row, 5), "compliant",
		(json_int_t)db_int(row, 6), "names",
		build_group_refs_json(doc_as_group(d)), "documents",
		snapshot_build_documents_json(c), "problem",
		request_optional_string(c->problem[0] ? c->problem : NULL));
	return *ret ? 0 : err_oom(e, "show a group");
}

int group_api_list(struct request *rq, struct err *e)
{
	static const struct listing l = {
		.sql = GROUP_COLUMNS,
		.where = NEWEST,
		.key = "id",
		.key_is_text = true,
		.scope = "id",
		.row = build_group_json,
	};

	return listing_answer(rq, &l, NULL, e);
}

int group_api_show(struct request *rq, struct err *e)
{
	struct db *db = rq->db;
	json_t *j = NULL;
	AUTO(db_done) struct db_row *row = NULL;
	int r = 0;

	if (request_can_see_group(rq, rq->param[0]))
		r = db_first(db, &row, e,
			     GROUP_COLUMNS " WHERE " NEWEST " AND id = ?", "s",
			     rq->param[0]);
	if (r == 0)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no group %.64s",
			       rq->param[0]);
	if (r > 0)
		r = build_group_json(rq, row, &j, e);
	return r < 0 ? r : request_answer_json(rq, 200, j, e);
}

int group_api_show_snapshot(struct request *rq, struct err *e)
{
	struct db *db = rq->db;
	const struct composition *c = NULL;
	char group[DOC_ID_SIZE];
	AUTO(db_done) struct db_row *row = NULL;
	json_t *j;
	int r = device_check_visible(rq->db, &rq->caller, rq->param[0], group,
				     e);

	if (r == 0)
		r = snapshot_get_composition(rq->context->snapshots, group, &c,
					     e);
	if (r == 0)
		r = db_first(db, &row, e,
			     "SELECT n.version, n.issued, n.expires,"
			     " n.documents, n.envelope, d.compliant"
			     " FROM snapshot AS n JOIN device AS d"
			     " ON d.id = n.device WHERE n.device = ?",
			     "s", rq->param[0]);
	if (r < 0)
		return r;
	assert(c);
	if (r == 0)
		return err_set(e, PROBLEM_NOT_FOUND,
			       "there is no snapshot for it yet%s%s",
			       c->problem[0] ? ": " : "", c->problem);
	j = json_pack(
		"{s:I, s:o, s:o, s:b, s:o, s:o, s:o}", "version",
		(json_int_t)db_int(row, 0), "issued",
		request_optional_time(db_int(row, 1)), "expires",
		request_optional_time(db_int(row, 2)), "acknowledged",
		db_int(row, 5) == 1, "documents",
		json_from_text(db_text(row, 3)), "envelope",
		json_from_text(db_text(row, 4)), "problem",
		request_optional_string(c->problem[0] ? c->problem : NULL));
	return request_answer_json(rq, 200, j, e);
}
