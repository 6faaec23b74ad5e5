/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fitness.h"

#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/doc.h"
#include "lib/err.h"
#include "lib/json.h"
#include "mgmt-server/archive.h"
#include "mgmt-server/server.h"

#include <string.h>

/* The newest that may be used. 1: *ret is the caller's; 0: there is none. */
static int open_newest(struct server *s, enum doc_type type, const char *id,
		       uint32_t min_version, struct doc **ret, struct err *e)
{
	struct archive_pick pick;
	int r = archive_pick(s, type, id, min_version, clock_wall(), &pick, e);

	if (r <= 0)
		return r;
	r = archive_parse(s, pick.sha256, ret, e);
	return r < 0 ? r : 1;
}

/* A VP's config names an image by its id alone, so what ran it goes on. */
static int check_image(struct server *s, const struct doc_image *image,
		       struct err *e)
{
	AUTO(doc_freep) struct doc *before = NULL;
	const char *old;
	int r = open_newest(s, DOC_IMAGE, image->head.id, 1, &before, e);

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

static const char *architecture_reported(const char *text, json_t **keep)
{
	json_t *inventory;
	const char *machine;

	*keep = json_loads(text, 0, NULL);
	inventory = json_object_get(*keep, "inventory");
	machine = json_string_value(json_object_get(inventory, "machine"));
	return machine ? architecture_of_machine(machine) : NULL;
}

/* Is there a device of the group that says it has another one? */
static int check_devices(struct server *s, const char *group,
			 const struct doc_image *image, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int r = db_query(s->db, &st, e,
			 "SELECT id, reported FROM device WHERE grp = ?"
			 " AND state = 'active'",
			 "s", group);

	while (r >= 0 && (r = db_step(s->db, st, e)) > 0) {
		auto_json json_t *report = NULL;
		const char *own =
			architecture_reported(db_text(st, 1), &report);

		if (own && strcmp(own, image->architecture) != 0) {
			r = err_reason(e, REASON_ARCHITECTURE,
				       "image %s version %u is for %s, and "
				       "device %s of group %s is %s",
				       image->head.id, image->head.version,
				       image->architecture, db_text(st, 0),
				       group, own);
			break;
		}
	}
	sqlite3_reset(st);
	return r;
}

static int check_config(struct server *s, const char *group,
			const struct doc_ref *ref, struct err *e)
{
	AUTO(doc_freep) struct doc *config = NULL, *image = NULL;
	const struct doc_vp_config *c;
	int r = open_newest(s, DOC_VP_CONFIG, ref->id, ref->min_version,
			    &config, e);

	if (r <= 0)
		return r;
	c = doc_as_vp_config(config);
	r = open_newest(s, DOC_IMAGE, c->image, c->image_min_version, &image,
			e);
	return r <= 0 ? r : check_devices(s, group, doc_as_image(image), e);
}

int fitness_check(struct server *s, const struct doc *doc, struct err *e)
{
	const struct doc_group *g;
	int r = 0;

	if (doc->head.type == DOC_IMAGE)
		return check_image(s, doc_as_image(doc), e);
	if (doc->head.type != DOC_GROUP)
		return 0;
	g = doc_as_group(doc);
	for (unsigned int i = 0; r == 0 && i < g->n_refs; i++)
		if (g->ref[i].type == DOC_VP_CONFIG)
			r = check_config(s, g->head.id, &g->ref[i], e);
	return r;
}
