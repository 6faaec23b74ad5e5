/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/effective_access.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/store/document.h"

#include <errno.h>
#include <string.h>

struct effective_access_cache {
	struct db *db;
	size_t n, room;
	struct {
		char sha256[ENCODING_DIGEST_SIZE];
		struct doc *doc; /* NULL: not here, or damaged */
	} * item;
};

struct effective_access_cache *effective_access_cache_new(struct db *db)
{
	struct effective_access_cache *f = calloc(1, sizeof(*f));

	if (f)
		f->db = db;
	return f;
}

void effective_access_cache_free(struct effective_access_cache *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		doc_free(f->item[i].doc);
	free(f->item);
	free(f);
}

static int get_cached_document(struct effective_access_cache *f,
			       const char *sha256, const struct doc **ret,
			       struct err *e)
{
	struct doc *d = NULL;
	int r;

	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->item[i].sha256, sha256) == 0) {
			*ret = f->item[i].doc;
			return 0;
		}
	r = document_load(f->db, sha256, &d, e);
	if (r < 0 && r != -ENOENT)
		return r;
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 16;
		void *more = realloc(f->item, room * sizeof(*f->item));

		if (!more) {
			doc_free(d);
			return err_oom(e, "read documents");
		}
		f->item = more;
		f->room = room;
	}
	snprintf(f->item[f->n].sha256, ENCODING_DIGEST_SIZE, "%s", sha256);
	f->item[f->n++].doc = d;
	*ret = d;
	return 0;
}

void effective_access_clear_documents(struct effective_access *w)
{
	w->n_policies = w->n_configs = 0;
}

void effective_access_add_document(struct effective_access *w,
				   const struct doc *d)
{
	if (d->head.type == DOC_DEVICE_POLICY &&
	    w->n_policies < EFFECTIVE_ACCESS_DOCS_MAX)
		w->policy[w->n_policies++] = doc_as_device_policy(d);
	if (d->head.type == DOC_VP_CONFIG &&
	    w->n_configs < EFFECTIVE_ACCESS_DOCS_MAX)
		w->config[w->n_configs++] = doc_as_vp_config(d);
}

int effective_access_add_stored(struct effective_access_cache *f,
				struct effective_access *w, const char *sha256,
				struct err *e)
{
	const struct doc *d = NULL;
	int r = get_cached_document(f, sha256, &d, e);

	if (r == 0 && d)
		effective_access_add_document(w, d);
	return r;
}

static void set_lacking_classes(struct effective_access *w, json_t *list)
{
	size_t i;
	json_t *j;

	json_array_foreach (list, i, j) {
		const char *name = json_string_value(j);
		enum cells_class c =
			name ? class_from_name(name) : CELLS_CLASS_COUNT;

		if (c < CELLS_CLASS_COUNT)
			w->lacking |= UINT32_C(1) << c;
	}
}

static void add_image_version(struct effective_access *w, json_t *d)
{
	const char *type = json_string_value(json_object_get(d, "type"));
	const char *id = json_string_value(json_object_get(d, "id"));

	if (!type || !id || strcmp(type, "image") != 0 ||
	    w->n_images == DOC_VPS_MAX)
		return;
	snprintf(w->image[w->n_images].id, DOC_ID_SIZE, "%s", id);
	w->image[w->n_images++].version =
		json_integer_value(json_object_get(d, "version"));
}

static enum doc_level parse_enforcement_level(const char *name)
{
	enum doc_level l = DOC_OPEN;

	doc_level_from_name(name, &l);
	return l;
}

#define NEWEST_TO(what)                                                        \
	"SELECT payload, seq FROM receipt WHERE device = ? AND epoch = ? AND"  \
	" " what " AND time <= ? ORDER BY seq DESC LIMIT 1"

/* The newest receipt up to then, by one of the above. 1 found, 0 none. */
static int load_receipt_at(struct db *db, const struct effective_access *w,
			   const char *sql, int64_t at, json_t **ret,
			   int64_t *ret_seq, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e, sql, "ssi", w->device, w->epoch, at);

	if (r <= 0)
		return r;
	*ret = json_from_text(db_text(row, 0));
	*ret_seq = db_int(row, 1);
	return *ret ? 1 : err_oom(e, "read a receipt");
}

/* The epoch that was in force then. */
static int find_epoch_at(struct db *db, const char *device, int64_t at,
			 struct effective_access *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT epoch FROM epoch WHERE device = ?"
			 " ORDER BY enrolled <= ? DESC, enrolled DESC LIMIT 1",
			 "si", device, at);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, ENOENT, "there is no device %.64s",
				       device);
	snprintf(ret->device, sizeof(ret->device), "%s", device);
	snprintf(ret->epoch, sizeof(ret->epoch), "%s", db_text(row, 0));
	return 0;
}

static int load_applied_receipt(struct effective_access_cache *f,
				struct effective_access *w, json_t *receipt,
				struct err *e)
{
	json_t *details = json_object_get(receipt, "details"), *d;
	const char *level =
		json_string_value(json_object_get(receipt, "enforcement"));
	const char *time = json_string_value(json_object_get(receipt, "time"));
	size_t i;

	w->known = true;
	snprintf(w->time, sizeof(w->time), "%s", time ? time : "");
	snprintf(w->enforcement, sizeof(w->enforcement), "%s",
		 level ? level : "");
	w->level = parse_enforcement_level(w->enforcement);
	set_lacking_classes(w, json_object_get(details, "lacking"));
	json_array_foreach (json_object_get(details, "documents"), i, d) {
		const char *sha256 =
			json_string_value(json_object_get(d, "sha256"));
		int r = sha256 ? effective_access_add_stored(f, w, sha256, e)
			       : 0;

		add_image_version(w, d);
		if (r < 0)
			return r;
	}
	return 0;
}

int effective_access_load(struct effective_access_cache *f, const char *device,
			  int64_t at, struct effective_access *ret,
			  struct err *e)
{
	auto_json json_t *applied = NULL, *switched = NULL;
	int64_t when = at ? at : clock_wall(), seq;
	const char *to;
	int r;

	memset(ret, 0, sizeof(*ret));
	/* Receipts bear the device's clock, which may be a little ahead. */
	r = find_epoch_at(f->db, device, when, ret, e);
	if (r == 0)
		r = load_receipt_at(f->db, ret, NEWEST_TO("describes"),
				    at ? at : INT64_MAX, &applied, &ret->seq,
				    e);
	if (r > 0)
		r = load_applied_receipt(f, ret, applied, e);
	if (r == 0)
		r = load_receipt_at(f->db, ret, NEWEST_TO("type = 'switched'"),
				    at ? at : INT64_MAX, &switched, &seq, e);
	if (r < 0)
		return r;
	to = json_string_value(
		json_object_get(json_object_get(switched, "details"), "to"));
	snprintf(ret->foreground, sizeof(ret->foreground), "%s", to ? to : "");
	access_time_local(when, true, &ret->at);
	return 0;
}

static struct cells_right get_class_right(const struct effective_access *w,
					  const char *vp, enum cells_class cls)
{
	struct access_right own;

	access_right_of(w->policy, w->n_policies, vp, cls, &w->at, w->level,
			&own);
	return own.right;
}

void effective_access_get_cell(const struct effective_access *w, const char *vp,
			       enum cells_class cls,
			       struct effective_access_cell *ret)
{
	bool is_front = w->foreground[0] && strcmp(w->foreground, vp) == 0;

	ret->right = get_class_right(w, vp, cls);
	ret->foreground = w->foreground[0]
				  ? get_class_right(w, w->foreground, cls)
				  : (struct cells_right){ 0, 0 };
	ret->mode = access_mode_name(ret->right);
	if (w->lacking >> cls & 1)
		ret->verdict = "absent";
	else if (cells_allowed(ret->right, is_front, ret->foreground))
		ret->verdict = "allowed";
	else if (ret->right.use != CELLS_USE_NONE && class_is_virtual(cls) &&
		 w->level != DOC_OPEN)
		ret->verdict = "virtual";
	else
		ret->verdict = "denied";
}
