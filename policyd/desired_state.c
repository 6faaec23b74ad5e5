/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/desired_state.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/crypto/hpke.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "policyd/bus/device_messages.h"
#include "policyd/cellsd_state.h"
#include "policyd/document/document_state.h"
#include "policyd/receipt/audit_log.h"
#include "policyd/receipt/recorder.h"
#include "policyd/store/store.h"

#include <inttypes.h>
#include <string.h>

#define RECOVERY_SIZE (2 * HPKE_PUBLIC_KEY_SIZE + 1)
#define STORE_MODES "modes" /* JSON of what was last applied */

struct desired_state {
	struct store *store; /* borrowed, as the state */
	const struct document_state *state;
	/* What was in force when this was decided; another set may be by now.
	 */
	struct document_set docs;
	struct evaluate_row *row; /* of docs */
	size_t n;
	int64_t generation;
	char digest[ENCODING_DIGEST_SIZE];
	char recovery[RECOVERY_SIZE]; /* see format_recovery_point() */
	uint8_t snapshot[HASH_SIZE];  /* that it was made from; 0: none */
	bool news;
	json_t *modes; /* "vp class" -> mode, for the audit of changes */
	/* What Apply is given of it. */
	struct device_wanted_vp *vps;
	size_t n_vps;
	struct device_right *rights;
	size_t n_rights;
};

void desired_state_free(struct desired_state *d)
{
	if (!d)
		return;
	free(d->row);
	free(d->vps);
	free(d->rights);
	document_set_fini(&d->docs);
	json_decref(d->modes);
	free(d);
}

/* 1: it is to be there; 0: it was wiped or removed, and comes back with a newer
 * config only. */
static int is_vp_wanted(struct store *store, const struct doc_vp_config *c,
			struct err *e)
{
	int64_t gone;
	int r = store_get_vp_gone(store, c->head.id, &gone, e);

	return r < 0 ? r : (int64_t)c->head.version > gone;
}

static void hash_digest_line(struct hash *h, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void hash_digest_line(struct hash *h, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	hash_add(h, text, strlen(text) + 1);
}

/* The organisation's point that VPs' keys are wrapped for, in hex, or "". */
static void format_recovery_point(const struct document_state *state,
				  char ret[RECOVERY_SIZE])
{
	uint8_t point[HPKE_PUBLIC_KEY_SIZE];

	ret[0] = '\0';
	if (!state->root || !document_state_get_root(state)->recovery)
		return;
	hpke_public_key(document_state_get_root(state)->recovery, point);
	encoding_to_hex(point, sizeof(point), ret);
}

/* 1: the document is a part of what desired_state_get_state() gives. */
static int is_document_written(struct store *store, const struct doc *doc,
			       struct err *e)
{
	if (doc->head.type == DOC_VP_CONFIG)
		return is_vp_wanted(store, doc_as_vp_config(doc), e);
	return doc->head.type == DOC_IMAGE;
}

/* Of everything that desired_state_get_state() gives. */
static int compute_state_digest(struct desired_state *d, struct err *e)
{
	uint8_t digest[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1];
	struct hash h;

	hash_init(&h);
	for (unsigned int i = 0; i < d->docs.n; i++) {
		const struct doc *doc = d->docs.doc[i]->doc;
		int r = is_document_written(d->store, doc, e);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		encoding_to_hex(doc->head.digest, HASH_SIZE, hex);
		hash_digest_line(&h, "%s %s", doc->head.id, hex);
	}
	for (size_t i = 0; i < d->n; i++)
		hash_digest_line(&h, "%s %u %u %u %u", d->row[i].vp,
				 d->row[i].cls, d->row[i].right.use,
				 d->row[i].right.block, d->row[i].kill);
	hash_digest_line(&h, "%s", d->recovery);
	hash_end(&h, digest);
	encoding_format_digest(digest, d->digest);
	return 0;
}

static int collect_access_modes(struct desired_state *d, struct err *e)
{
	d->modes = json_object();
	for (size_t i = 0; d->modes && i < d->n; i++) {
		char name[DOC_ID_SIZE + 40];

		snprintf(name, sizeof(name), "%s %s", d->row[i].vp,
			 class_name(d->row[i].cls));
		json_object_set_new(
			d->modes, name,
			json_string(access_mode_name(d->row[i].right)));
	}
	return d->modes ? 0 : err_oom(e, "evaluate");
}

/* 1: nothing is to be done; 0: this is news. */
static int is_state_applied(struct store *store, const char *digest,
			    struct err *e)
{
	auto_free char *held = NULL;
	int64_t applying = 0;
	int r = store_get_text(store, STORE_DESIRED, "", &held, e);

	if (r < 0)
		return r;
	r = store_get_int(store, STORE_APPLYING, 0, &applying, e);
	return r < 0 ? r : strcmp(held, digest) == 0 && !applying;
}

static int hold_documents(struct desired_state *d,
			  const struct document_set *in_force, struct err *e)
{
	d->docs.is_partial = in_force->is_partial;
	for (unsigned int i = 0; i < in_force->n; i++) {
		int r = document_set_add_shared(&d->docs, in_force->doc[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

int desired_state_new(const struct evaluate_facts *f,
		      struct desired_state **ret, struct err *e)
{
	struct desired_state *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_oom(e, "evaluate");
	d->store = f->store;
	d->state = f->state;
	format_recovery_point(d->state, d->recovery);
	r = hold_documents(d, &f->state->in_force, e);
	if (r == 0)
		r = evaluate_table(&d->docs, f->level, &f->at, &d->row, &d->n,
				   e);
	if (r == 0)
		r = collect_access_modes(d, e);
	if (r == 0)
		r = compute_state_digest(d, e);
	if (r == 0)
		r = store_get_int(d->store, STORE_GENERATION, 0, &d->generation,
				  e);
	if (r == 0)
		r = is_state_applied(d->store, d->digest, e);
	if (r < 0) {
		desired_state_free(d);
		return r;
	}
	if (d->state->snapshot)
		memcpy(d->snapshot, d->state->snapshot->digest, HASH_SIZE);
	d->news = r == 0;
	if (d->news)
		d->generation++;
	*ret = d;
	return 0;
}

bool desired_state_has_changed(const struct desired_state *d)
{
	return d->news;
}

bool desired_state_is_outdated(const struct desired_state *d)
{
	static const uint8_t none[HASH_SIZE];
	const struct snapshot *s = d->state->snapshot;

	return memcmp(d->snapshot, s ? s->digest : none, HASH_SIZE) != 0;
}

bool desired_state_is_current(const struct desired_state *d)
{
	return d->state->snapshot && !desired_state_is_outdated(d);
}

/* ---- what Apply takes */
/* Those of the VPs that are to be there now. */
static int collect_wanted_vps(struct desired_state *d, struct err *e)
{
	const struct document_set *docs = &d->docs;

	free(d->vps);
	d->n_vps = 0;
	d->vps = calloc(docs->n + 1, sizeof(*d->vps));
	if (!d->vps)
		return err_oom(e, "evaluate");
	for (unsigned int i = 0; i < docs->n; i++) {
		const struct doc *doc = docs->doc[i]->doc;
		const struct doc_vp_config *c;
		const struct doc_image *im;
		int r;

		if (doc->head.type != DOC_VP_CONFIG)
			continue;
		c = doc_as_vp_config(doc);
		im = document_set_find_image(docs, c->image);
		r = im ? is_vp_wanted(d->store, c, e) : 0;
		if (r < 0)
			return r;
		if (r > 0)
			d->vps[d->n_vps++] = (struct device_wanted_vp){ c, im };
	}
	return 0;
}

static int collect_wanted_rights(struct desired_state *d, struct err *e)
{
	free(d->rights);
	d->n_rights = 0;
	d->rights = calloc(d->n + 1, sizeof(*d->rights));
	if (!d->rights)
		return err_oom(e, "evaluate");
	for (size_t i = 0; i < d->n; i++) {
		const struct evaluate_row *row = &d->row[i];
		const struct doc_vp_config *c =
			document_set_find_config(&d->docs, row->vp);
		int r = c ? is_vp_wanted(d->store, c, e) : 0;

		if (r < 0)
			return r;
		if (r > 0)
			d->rights[d->n_rights++] = (struct device_right){
				.vp = row->vp,
				.cls = row->cls,
				.use = row->right.use,
				.is_blocked = row->right.block,
				.is_killing = row->kill,
			};
	}
	return 0;
}

int desired_state_get_state(struct desired_state *d, const char *cause,
			    struct device_state *ret, struct err *e)
{
	int r = collect_wanted_vps(d, e);

	if (r == 0)
		r = collect_wanted_rights(d, e);
	if (r < 0)
		return r;
	*ret = (struct device_state){
		.generation = (uint64_t)d->generation,
		.vps = d->vps,
		.n_vps = d->n_vps,
		.rights = d->rights,
		.n_rights = d->n_rights,
		.recovery = d->recovery,
		.cause = cause,
	};
	return 0;
}

/* ---- afterwards */
/* A record for each (VP, class) that is in `these` and not the same in `those`.
 */
static int write_mode_changes(const struct recorder *rec, json_t *these,
			      json_t *those, bool forward, const char *cause,
			      struct err *e)
{
	const char *name;
	json_t *mode;

	json_object_foreach (these, name, mode) {
		json_t *other = json_object_get(those, name);
		const char *a = json_string_value(mode);
		const char *b = other ? json_string_value(other) : "none";
		char vp[DOC_ID_SIZE];
		const char *cls = strchr(name, ' ');
		int r;

		/* backward: only what is missing there; the rest was sent */
		if (forward ? strcmp(a, b) == 0 : other != NULL)
			continue;
		snprintf(vp, sizeof(vp), "%.*s", (int)(cls - name), name);
		r = audit_log_write(rec, AUDIT_MODE, vp, cls + 1,
				    json_pack("{ss ss ss}", "from",
					      forward ? b : a, "to",
					      forward ? a : b, "cause", cause),
				    e);
		if (r < 0)
			return r;
	}
	return 0;
}

int desired_state_save_applied(const struct desired_state *d,
			       const struct recorder *rec, const char *cause,
			       struct err *e)
{
	auto_free char *held = NULL, *text = json_text(d->modes);
	auto_json json_t *old = NULL;
	int r;

	if (!text)
		return err_oom(e, "evaluate");
	r = store_get_text(d->store, STORE_MODES, "{}", &held, e);
	if (r == 0)
		r = json_parse(held, strlen(held), "modes", &old, e);
	if (r < 0)
		return r;
	r = write_mode_changes(rec, d->modes, old, true, cause, e);
	if (r == 0)
		r = write_mode_changes(rec, old, d->modes, false, cause, e);
	if (r == 0)
		r = store_set_text(d->store, STORE_MODES, text, e);
	if (r == 0)
		r = store_set_text(d->store, STORE_DESIRED, d->digest, e);
	if (r == 0)
		r = store_set_int(d->store, STORE_GENERATION, d->generation, e);
	/* Another set may have been activated meanwhile: its turn comes. */
	if (r < 0 || !desired_state_is_current(d))
		return r;
	return store_set_int(d->store, STORE_APPLYING, 0, e);
}

struct json_t *
desired_state_list_missing_classes(const struct desired_state *d,
				   const struct cellsd_state *cellsd)
{
	json_t *names = json_array();

	for (unsigned int c = 0; names && c < CELLS_CLASS_COUNT; c++) {
		bool given = false;

		for (size_t i = 0; i < d->n && !given; i++)
			given = d->row[i].cls == c &&
				d->row[i].right.use != CELLS_USE_NONE;
		if (given && !cellsd_state_has_class(cellsd, c))
			json_array_append_new(names,
					      json_string(class_name(c)));
	}
	return names;
}
