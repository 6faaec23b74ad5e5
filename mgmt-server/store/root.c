/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/root.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/store/document.h"

#include <stdio.h>

static int load_active_root(struct db *db, struct doc **ret, struct err *e)
{
	char sha256[ENCODING_DIGEST_SIZE];
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT sha256 FROM document WHERE type = 'root'"
			 " AND state = 'active'",
			 "");

	if (r < 0)
		return r;
	if (r == 0) {
		*ret = NULL;
		return 0;
	}
	snprintf(sha256, sizeof(sha256), "%s", db_text(row, 0));
	db_done(&row);
	return document_load(db, sha256, ret, e);
}

int root_reload(struct db *db, struct root_in_force *root, struct err *e)
{
	struct doc *doc = NULL;
	int r = load_active_root(db, &doc, e);

	if (r < 0)
		return r;
	doc_free(root->doc);
	root->doc = doc;
	return 0;
}

const struct doc_root *root_get(const struct root_in_force *root)
{
	return root->doc ? doc_as_root(root->doc) : NULL;
}

void root_fini(struct root_in_force *root)
{
	doc_free(root->doc);
	root->doc = NULL;
}

int root_list_envelopes_after(struct db *db, int64_t after, json_t **ret,
			      struct err *e)
{
	auto_json json_t *list = json_array();
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(db, &row, e,
			 "SELECT envelope FROM document WHERE type = 'root'"
			 " AND state IN ('active', 'superseded')"
			 " AND version > ? ORDER BY version",
			 "i", after);

	if (r < 0)
		return r;
	while (db_next(row, &r, e))
		if (json_array_append_new(list,
					  json_from_text(db_text(row, 0))) < 0)
			return err_oom(e, "read the roots");
	if (r < 0)
		return r;
	*ret = steal(list);
	return 0;
}

int64_t root_get_reported_version(json_t *status)
{
	json_t *root = json_object_get(status, "root");

	if (json_is_object(root))
		root = json_object_get(root, "version");
	if (!root)
		root = json_object_get(status, "root_version");
	return json_is_integer(root) ? json_integer_value(root) : 0;
}
