/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/compatibility.h"

#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/doc.h"
#include "lib/err.h"
#include "mgmt-server/store/document.h"
#include "mgmt-server/store/token.h"

#include <string.h>

/* What is in use once `doc` is too. */
struct document_set {
	struct db *db;
	const struct token *caller;
	const struct doc *doc;
};

/* The newest that may be used. 1: *ret is the caller's; 0: there is none. */
static int load_newest_document(struct db *db, enum doc_type type,
				const char *id, uint32_t min_version,
				struct doc **ret, struct err *e)
{
	struct document_version documents;
	int r = document_find_newest(db, type, id, min_version, clock_wall(),
				     &documents, e);

	if (r <= 0)
		return r;
	r = document_load(db, documents.sha256, ret, e);
	return r < 0 ? r : 1;
}

/* As above, of the set; what was opened for it goes into *keep. */
static int get_newest_document(const struct document_set *set,
			       enum doc_type type, const char *id,
			       uint32_t min_version, struct doc **keep,
			       const struct doc **ret, struct err *e)
{
	const struct doc *d = set->doc;
	int r;

	*ret = d;
	if (d->head.type == type && strcmp(d->head.id, id) == 0)
		return d->head.version >= min_version;
	r = load_newest_document(set->db, type, id, min_version, keep, e);
	*ret = *keep;
	return r;
}

/* A VP's config names an image by its id alone, so what ran it goes on. */
static int check_image_architecture(struct db *db,
				    const struct doc_image *image,
				    struct err *e)
{
	AUTO(doc_freep) struct doc *before = NULL;
	const char *old;
	int r = load_newest_document(db, DOC_IMAGE, image->head.id, 1, &before,
				     e);

	if (r <= 0)
		return r;
	old = doc_as_image(before)->architecture;
	if (strcmp(old, image->architecture) == 0)
		return 0;
	return err_reason(e, REASON_ARCHITECTURE,
			  "image %s version %u is for %s, this one is for %s; "
			  "another architecture is another id",
			  image->head.id, before->head.version, old,
			  image->architecture);
}

/* Is there a device of the group that says it has another one? */
static int check_device_architectures(const struct document_set *set,
				      const char *group,
				      const struct doc_image *image,
				      struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct db *db = set->db;
	int r = db_query(db, &row, e,
			 "SELECT min(id), json_extract(reported,"
			 " '$.inventory.machine') AS machine FROM device"
			 " WHERE grp = ? AND state = 'active' AND"
			 " json_valid(reported) GROUP BY machine",
			 "s", group);

	while (db_next(row, &r, e)) {
		const char *machine = db_text_or_null(row, 1);
		const char *own =
			machine ? architecture_of_machine(machine) : NULL;

		if (!own || strcmp(own, image->architecture) == 0)
			continue;
		if (!token_can_see_group(set->caller, group))
			return err_reason(e, REASON_ARCHITECTURE,
					  "image %s version %u is for %s, and "
					  "not all devices that it would come "
					  "to are",
					  image->head.id, image->head.version,
					  image->architecture);
		return err_reason(e, REASON_ARCHITECTURE,
				  "image %s version %u is for %s, and "
				  "device %s of group %s is %s",
				  image->head.id, image->head.version,
				  image->architecture, db_text(row, 0), group,
				  own);
	}
	return r;
}

/* What would run on the group's devices by one of its configs. */
static int check_config_image(const struct document_set *set, const char *group,
			      const struct doc_ref *ref, struct err *e)
{
	AUTO(doc_freep) struct doc *config = NULL, *image = NULL;
	const struct doc_vp_config *c;
	const struct doc *d;
	int r = get_newest_document(set, DOC_VP_CONFIG, ref->id,
				    ref->min_version, &config, &d, e);

	if (r <= 0)
		return r;
	c = doc_as_vp_config(d);
	r = get_newest_document(set, DOC_IMAGE, c->image, c->image_min_version,
				&image, &d, e);
	/* What is not of this document was asked when it came. */
	if (r <= 0 || (set->doc->head.type == DOC_IMAGE && d != set->doc))
		return r < 0 ? r : 0;
	return check_device_architectures(set, group, doc_as_image(d), e);
}

static int check_group_configs(const struct document_set *set,
			       const char *group, struct err *e)
{
	AUTO(doc_freep) struct doc *keep = NULL;
	const struct doc *doc = set->doc, *d;
	const struct doc_group *g;
	int r = get_newest_document(set, DOC_GROUP, group, 1, &keep, &d, e);

	if (r <= 0)
		return r;
	g = doc_as_group(d);
	for (unsigned int i = 0; r >= 0 && i < g->n_refs; i++)
		if (g->ref[i].type == DOC_VP_CONFIG &&
		    (doc->head.type != DOC_VP_CONFIG ||
		     strcmp(g->ref[i].id, doc->head.id) == 0))
			r = check_config_image(set, group, &g->ref[i], e);
	return r < 0 ? r : 0;
}

static int check_all_groups(const struct document_set *set, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	struct db *db = set->db;
	int r = db_query(db, &row, e,
			 "SELECT DISTINCT grp FROM device"
			 " WHERE state = 'active'",
			 "");

	while (db_next(row, &r, e)) {
		r = check_group_configs(set, db_text(row, 0), e);
		if (r < 0)
			return r;
	}
	return r;
}

int compatibility_check(struct db *db, const struct token *caller,
			const struct doc *doc, struct err *e)
{
	const struct document_set set = { db, caller, doc };
	int r;

	switch (doc->head.type) {
	case DOC_GROUP:
		return check_group_configs(&set, doc->head.id, e);
	case DOC_IMAGE:
		r = check_image_architecture(db, doc_as_image(doc), e);
		return r < 0 ? r : check_all_groups(&set, e);
	case DOC_VP_CONFIG:
		return check_all_groups(&set, e);
	default:
		return 0;
	}
}
