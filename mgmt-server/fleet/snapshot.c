/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/fleet/snapshot.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/core/metrics.h"
#include "mgmt-server/core/turn.h"
#include "mgmt-server/fleet/device.h"
#include "mgmt-server/fleet/image.h"
#include "mgmt-server/store/pki.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define LIFE (24 * 3600)
#define RETRY 60
#define SNAPSHOT_TYPE ENVELOPE_TYPE_JSON("snapshot")
#define REST_TICKS 60
#define IS_VALID "state IN ('valid', 'active', 'superseded')"

struct cached_composition {
	struct cached_composition *next;
	int64_t until; /* a document of it expires then */
	struct composition c;
};

struct snapshot_cache {
	struct turn *turn;
	const struct pki *pki;
	const char *org;
	struct connections *connections;
	struct cached_composition *kept;
	bool chunks_came;
	unsigned int rest; /* ticks before a look that failed is repeated */
};

int snapshot_cache_new(struct turn *t, const struct pki *pki, const char *org,
		       struct connections *connections,
		       struct snapshot_cache **ret, struct err *e)
{
	struct snapshot_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return err_oom(e, "start");
	c->turn = t;
	c->pki = pki;
	c->org = org;
	c->connections = connections;
	*ret = c;
	return 0;
}

void snapshot_cache_clear(struct snapshot_cache *c)
{
	while (c->kept) {
		struct cached_composition *k = c->kept;

		c->kept = k->next;
		free(k);
	}
}

void snapshot_schedule_recheck(struct snapshot_cache *c)
{
	c->chunks_came = true;
	c->rest = 0;
}

void snapshot_cache_free(struct snapshot_cache *c)
{
	if (c)
		snapshot_cache_clear(c);
	free(c);
}

/* ---- composing */
struct composition_builder {
	struct db *db;
	const struct snapshot_drafts *draft;
	struct composition *out;
	int64_t now, until;
	struct err *e;
};

static int set_composition_problem(struct composition_builder *k,
				   const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Not an error of the server: the set cannot be made now. */
static int set_composition_problem(struct composition_builder *k,
				   const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(k->out->problem, sizeof(k->out->problem), fmt, ap);
	va_end(ap);
	return 1;
}

/* A draft of at least the version that is picked comes before it. */
static const struct doc *
find_draft_document(const struct composition_builder *k, enum doc_type type,
		    const char *id, uint32_t min)
{
	const struct doc *best = NULL;

	for (unsigned int i = 0; k->draft && i < k->draft->n; i++) {
		const struct doc *d = k->draft->doc[i];

		if (d->head.type == type && strcmp(d->head.id, id) == 0 &&
		    d->head.version >= min &&
		    (!best || d->head.version > best->head.version))
			best = d;
	}
	return best;
}

/* 0 picked, 1 there is none (a problem), <0. */
static int pick_newest_document(struct composition_builder *k,
				enum doc_type type, const char *id,
				uint32_t min, struct err *e)
{
	struct document_version *p = &k->out->documents[k->out->n];
	const struct doc *draft;
	int r;

	for (unsigned int i = 0; i < k->out->n; i++)
		if (k->out->documents[i].type == type &&
		    strcmp(k->out->documents[i].id, id) == 0)
			return 0; /* two configs may share an image */
	if (k->out->n == SNAPSHOT_DOCUMENTS_MAX)
		return set_composition_problem(
			k, "group %s names too many documents", k->out->group);
	r = document_find_newest(k->db, type, id, min, k->now, p, e);
	if (r < 0)
		return r;
	draft = find_draft_document(k, type, id, r > 0 ? p->version : min);
	if (draft) {
		p->type = type;
		snprintf(p->id, sizeof(p->id), "%s", id);
		p->version = draft->head.version;
		encoding_format_digest(draft->head.digest, p->sha256);
	} else if (r == 0) {
		return set_composition_problem(
			k, "%s %s: no valid version from %u on%s",
			doc_type_name(type), id, min,
			type == DOC_IMAGE ? " whose chunks are here" : "");
	}
	k->out->n++;
	return 0;
}

/* The document of a pick: a draft is borrowed, a stored one is owned. */
static int open_picked_document(struct composition_builder *k,
				const struct document_version *p,
				const struct doc **ret, struct doc **ret_owned,
				struct err *e)
{
	char sha256[ENCODING_DIGEST_SIZE];
	const struct doc *draft =
		find_draft_document(k, p->type, p->id, p->version);
	int r;

	if (draft) {
		encoding_format_digest(draft->head.digest, sha256);
		if (strcmp(sha256, p->sha256) == 0) {
			*ret = draft;
			return 0;
		}
	}
	r = document_load(k->db, p->sha256, ret_owned, e);
	if (r == 0) {
		*ret = *ret_owned;
		if ((*ret)->head.expires < k->until)
			k->until = (*ret)->head.expires;
	}
	return r;
}

static int pick_group_documents(struct composition_builder *k,
				const struct doc_group *g, struct err *e)
{
	for (unsigned int i = 0; i < g->n_refs; i++) {
		int r = pick_newest_document(k, g->ref[i].type, g->ref[i].id,
					     g->ref[i].min_version, e);

		if (r != 0)
			return r;
	}
	return 0;
}

static int pick_config_images(struct composition_builder *k, struct err *e)
{
	unsigned int n = k->out->n; /* images are added behind */

	for (unsigned int i = 0; i < n; i++) {
		AUTO(doc_freep) struct doc *owned = NULL;
		const struct doc_vp_config *config;
		const struct doc *d = NULL;
		int r = open_picked_document(k, &k->out->documents[i], &d,
					     &owned, e);

		if (r < 0)
			return r;
		assert(d);
		if (d->head.type != DOC_VP_CONFIG)
			continue;
		config = doc_as_vp_config(d);
		r = pick_newest_document(k, DOC_IMAGE, config->image,
					 config->image_min_version, e);
		if (r != 0)
			return r;
	}
	return 0;
}

static int compose_group_documents(struct composition_builder *k,
				   const char *group, struct err *e)
{
	AUTO(doc_freep) struct doc *owned = NULL;
	const struct doc *d = NULL;
	int r;

	snprintf(k->out->group, sizeof(k->out->group), "%s", group);
	r = pick_newest_document(k, DOC_GROUP, group, 1, e);
	if (r == 0)
		r = open_picked_document(k, &k->out->documents[0], &d, &owned,
					 e);
	if (r == 0)
		r = pick_group_documents(k, doc_as_group(d), e);
	if (r == 0)
		r = pick_config_images(k, e);
	if (r != 0)
		k->out->n = 0;
	return r < 0 ? r : 0;
}

int snapshot_compose_with_drafts(struct snapshot_cache *s, const char *group,
				 const struct snapshot_drafts *draft,
				 struct composition *ret, struct err *e)
{
	struct composition_builder k = { .db = s->turn->db,
					 .draft = draft,
					 .out = ret,
					 .now = clock_wall(),
					 .until = INT64_MAX };

	memset(ret, 0, sizeof(*ret));
	return compose_group_documents(&k, group, e);
}

int snapshot_get_composition(struct snapshot_cache *s, const char *group,
			     const struct composition **ret, struct err *e)
{
	struct composition_builder k = { .db = s->turn->db,
					 .now = clock_wall(),
					 .until = INT64_MAX };
	struct cached_composition **at = &s->kept;
	AUTO(auto_freep) struct cached_composition *made = NULL;
	int r;

	for (; *at; at = &(*at)->next)
		if (strcmp((*at)->c.group, group) == 0) {
			if ((*at)->until > k.now) {
				*ret = &(*at)->c;
				return 0;
			}
			made = *at; /* a document of it has expired */
			*at = made->next;
			break;
		}
	if (!made)
		made = malloc(sizeof(*made));
	if (!made)
		return err_oom(e, "compose a snapshot");
	memset(made, 0, sizeof(*made));
	k.out = &made->c;
	r = compose_group_documents(&k, group, e);
	if (r < 0)
		return r;
	/* What fails for want of time may succeed with time: look again. */
	made->until = made->c.n ? k.until : k.now + 1;
	made->next = s->kept;
	s->kept = made;
	*ret = &steal(made)->c;
	return 0;
}

json_t *snapshot_build_documents_json(const struct composition *c)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < c->n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i, s:s}", "type",
					doc_type_name(c->documents[i].type),
					"id", c->documents[i].id, "version",
					(int)c->documents[i].version, "sha256",
					c->documents[i].sha256));
	return list;
}

/* ---- states */
/* superseded: a newer valid one is here; active: some group's set has it. */
static int update_document_states(struct snapshot_cache *s, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_exec(s->turn->db,
			"UPDATE document SET state = CASE WHEN EXISTS"
			" (SELECT 1 FROM document AS newer WHERE"
			" newer.type = document.type AND"
			" newer.id = document.id AND"
			" newer.version > document.version AND"
			" newer." IS_VALID
			") THEN 'superseded' ELSE 'valid' END"
			" WHERE type <> 'root' AND " IS_VALID,
			e);

	if (r == 0)
		r = db_query(s->turn->db, &row, e,
			     "SELECT DISTINCT id FROM document"
			     " WHERE type = 'group' AND " IS_VALID,
			     "");
	while (db_next(row, &r, e)) {
		const struct composition *c = NULL;

		r = snapshot_get_composition(s, db_text(row, 0), &c, e);
		for (unsigned int i = 0; r == 0 && i < c->n; i++)
			r = db_run(s->turn->db, e,
				   "UPDATE document SET state = 'active'"
				   " WHERE sha256 = ?",
				   "s", c->documents[i].sha256);
	}
	return r;
}

int snapshot_handle_document_change(struct snapshot_cache *s, struct err *e)
{
	snapshot_cache_clear(s);
	connections_mark_stale(s->connections, NULL);
	return update_document_states(s, e);
}

int snapshot_handle_new_chunk(struct snapshot_cache *s, const char *sha256,
			      struct err *e)
{
	snapshot_schedule_recheck(s);
	return 0;
}

/* All of it or nothing: what is undone is found again. */
static int apply_completed_images(struct snapshot_cache *s,
				  const struct image_list *found, struct err *e)
{
	struct turn_savepoint mark;
	int r = turn_begin_savepoint(s->turn, &mark, e);

	if (r < 0)
		return r;
	for (unsigned int i = 0; r == 0 && i < found->n; i++)
		r = image_mark_complete(s->turn->db, found->sha256[i], e);
	if (r == 0)
		r = snapshot_handle_document_change(s, e);
	if (r == 0)
		return turn_release_savepoint(s->turn, e);
	turn_rollback_savepoint(s->turn, &mark);
	return r;
}

/* One that cannot be read keeps no other one back. */
static int update_completed_images(struct snapshot_cache *s, struct err *e)
{
	struct image_list found;
	struct err why;
	int res = image_find_completed(s->turn->db, s->turn->blobs, &found, e);
	int r = found.n > 0 ? apply_completed_images(s, &found, &why) : 0;

	if (r < 0)
		*e = why;
	return r < 0 ? r : res;
}

int snapshot_recheck_images(struct snapshot_cache *s, struct err *e)
{
	int r;

	if (!s->chunks_came)
		return 0;
	if (s->rest > 0) {
		s->rest--;
		return 0;
	}
	r = update_completed_images(s, e);
	if (r == 0)
		s->chunks_came = false;
	else
		s->rest = REST_TICKS;
	return r;
}

/* ---- snapshots */
struct stored_snapshot {
	char group[DOC_ID_SIZE], epoch[33], old_epoch[33];
	int64_t version, issued;
	char *documents, *envelope; /* of the one that is there; or NULL */
};

static void stored_snapshot_fini(struct stored_snapshot *n)
{
	free(n->documents);
	free(n->envelope);
}

static int load_stored_snapshot(struct snapshot_cache *s, const char *device,
				struct stored_snapshot *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->turn->db, &row, e,
			 "SELECT d.grp, d.epoch, d.snapshot, n.epoch, n.issued,"
			 " n.documents, n.envelope FROM device AS d"
			 " LEFT JOIN snapshot AS n ON n.device = d.id"
			 " WHERE d.id = ?",
			 "s", device);

	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, ENOENT, "there is no device %s",
				       device);
	snprintf(ret->group, sizeof(ret->group), "%s", db_text(row, 0));
	snprintf(ret->epoch, sizeof(ret->epoch), "%s", db_text(row, 1));
	ret->version = db_int(row, 2);
	snprintf(ret->old_epoch, sizeof(ret->old_epoch), "%s", db_text(row, 3));
	ret->issued = db_int(row, 4);
	if (db_is_null(row, 6))
		return 0;
	r = db_copy_text(row, 5, &ret->documents, e);
	return r < 0 ? r : db_copy_text(row, 6, &ret->envelope, e);
}

static int sign_snapshot(struct snapshot_cache *s, const char *device,
			 const struct stored_snapshot *n, const char *documents,
			 int64_t now, char **ret, struct err *e)
{
	char issued[ENCODING_TIME_SIZE], expires[ENCODING_TIME_SIZE];
	auto_json json_t *j = NULL;
	auto_free char *text = NULL;

	encoding_format_time(now, issued);
	encoding_format_time(now + LIFE, expires);
	j = json_pack("{s:i, s:s, s:s, s:s, s:I, s:s, s:s, s:o}", "format", 1,
		      "org", s->org, "device", device, "epoch", n->epoch,
		      "version", (json_int_t)n->version + 1, "issued", issued,
		      "expires", expires, "documents",
		      json_from_text(documents));
	text = j ? json_text(j) : NULL;
	if (!text)
		return err_oom(e, "sign a snapshot");
	s->turn->metrics->snapshots++;
	return envelope_make(SNAPSHOT_TYPE, text, strlen(text),
			     pki_director_key(s->pki), ret, e);
}

static int store_snapshot(struct snapshot_cache *s, const char *device,
			  const struct stored_snapshot *n,
			  const char *documents, const char *envelope,
			  int64_t now, struct err *e)
{
	int r = turn_begin_write(s->turn, e);

	if (r == 0)
		r = db_run(s->turn->db, e,
			   "UPDATE device SET snapshot = ? WHERE id = ?", "is",
			   n->version + 1, device);
	if (r == 0)
		r = db_run(s->turn->db, e,
			   "INSERT OR REPLACE INTO snapshot (device, epoch,"
			   " version, issued, expires, documents, envelope)"
			   " VALUES (?, ?, ?, ?, ?, ?, ?)",
			   "ssiiiss", device, n->epoch, n->version + 1, now,
			   now + LIFE, documents, envelope);
	return r < 0 ? r : device_update_compliance(s->turn->db, device, e);
}

int snapshot_get_for_device(struct snapshot_cache *s, const char *device,
			    int64_t max_age, char **ret, bool *ret_new,
			    int64_t *ret_renew_at, struct err *e)
{
	AUTO(stored_snapshot_fini) struct stored_snapshot n = { 0 };
	const struct composition *c = NULL;
	auto_json json_t *list = NULL;
	auto_free char *documents = NULL, *envelope = NULL;
	int64_t now = clock_wall();
	bool same, mine;
	int r = load_stored_snapshot(s, device, &n, e);

	if (r == 0)
		r = snapshot_get_composition(s, n.group, &c, e);
	if (r < 0)
		return r;
	assert(c);
	*ret_new = false;
	*ret_renew_at = now + RETRY;
	mine = n.envelope && strcmp(n.epoch, n.old_epoch) == 0;
	if (c->n > 0) {
		list = snapshot_build_documents_json(c);
		documents = json_text(list);
	} else if (mine) {
		/* What is in force stays in force; only its time goes on. */
		documents = strdup(n.documents);
	} else {
		*ret = NULL;
		return 0;
	}
	if (!documents)
		return err_oom(e, "compose a snapshot");
	same = mine && strcmp(documents, n.documents) == 0;
	if (same && n.issued <= now && now - n.issued < max_age) {
		*ret_renew_at = n.issued + SNAPSHOT_RENEW;
		*ret = steal(n.envelope);
		return 0;
	}
	r = sign_snapshot(s, device, &n, documents, now, &envelope, e);
	if (r == 0)
		r = store_snapshot(s, device, &n, documents, envelope, now, e);
	if (r < 0)
		return r;
	*ret_new = true;
	*ret_renew_at = now + SNAPSHOT_RENEW;
	*ret = steal(envelope);
	return 0;
}

int snapshot_is_document_readable(struct snapshot_cache *s, const char *device,
				  const char *sha256, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(s->turn->db, &row, e,
			 "SELECT 1 FROM snapshot WHERE device = ?1 AND"
			 " instr(documents, '\"' || ?2 || '\"') > 0 UNION ALL"
			 " SELECT 1 FROM document WHERE sha256 = ?2 AND"
			 " type = 'root' AND state IN ('active', 'superseded')",
			 "ss", device, sha256);

	return r;
}
