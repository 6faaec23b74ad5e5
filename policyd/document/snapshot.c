/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/snapshot.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"

#include <string.h>

#define VERSION_MAX 2147483647

static int set_schema_error(struct err *e, const char *what)
{
	return err_reason(e, REASON_SCHEMA, "snapshot: %s", what);
}

/* Only these travel in snapshots. */
static bool is_snapshot_type(enum doc_type t)
{
	return t == DOC_GROUP || t == DOC_DEVICE_POLICY || t == DOC_VP_CONFIG ||
	       t == DOC_IMAGE;
}

static int parse_snapshot_entry(json_t *j, struct snapshot *s, struct err *e)
{
	struct snapshot_entry *n = &s->entry[s->n];
	const char *type, *id, *sha256;
	int64_t version;
	const struct json_member members[] = {
		{ "type", JSON_STRING, .ret = &type },
		{ "id", JSON_STRING, .ret = &id },
		{ "version", JSON_INTEGER, .ret = &version },
		{ "sha256", JSON_STRING, .ret = &sha256 },
		{ NULL },
	};
	int r = json_read_object(j, members, true, "snapshot's document", e);

	if (r < 0)
		return err_reason(e, REASON_SCHEMA, "%s", strdupa(e->text));
	n->type = doc_type_from_name(type);
	if (!is_snapshot_type(n->type))
		return set_schema_error(e, "names a type that it cannot have");
	if (!encoding_is_valid_id(id))
		return set_schema_error(e, "names an id that is none");
	if (version < 1 || version > VERSION_MAX)
		return set_schema_error(e, "names a version out of bounds");
	if (encoding_parse_digest(sha256, n->digest) < 0)
		return set_schema_error(e, "names a digest that is none");
	if (snapshot_find_entry(s, n->type, id))
		return set_schema_error(e, "names a document twice");
	snprintf(n->id, sizeof(n->id), "%s", id);
	n->version = (uint32_t)version;
	s->n++;
	return 0;
}

struct snapshot_fields {
	const char *org, *device, *epoch, *issued, *expires;
	int64_t format, version;
	json_t *documents;
};

static int parse_snapshot_fields(json_t *j, struct snapshot_fields *f,
				 struct err *e)
{
	const struct json_member members[] = {
		{ "format", JSON_INTEGER, .ret = &f->format },
		{ "org", JSON_STRING, .ret = &f->org },
		{ "device", JSON_STRING, .ret = &f->device },
		{ "epoch", JSON_STRING, .ret = &f->epoch },
		{ "version", JSON_INTEGER, .ret = &f->version },
		{ "issued", JSON_STRING, .ret = &f->issued },
		{ "expires", JSON_STRING, .ret = &f->expires },
		{ "documents", JSON_ARRAY, .ret = &f->documents },
		{ NULL },
	};

	if (json_read_object(j, members, true, "snapshot", e) < 0)
		return err_reason(e, REASON_SCHEMA, "%s", strdupa(e->text));
	return 0;
}

static int parse_snapshot_head(const struct snapshot_fields *f,
			       struct snapshot *s, struct err *e)
{
	if (f->format != 1)
		return set_schema_error(e, "format is not 1");
	if (!encoding_is_valid_id(f->org) || !encoding_is_valid_id(f->device))
		return set_schema_error(e, "org or device is not an id");
	if (strlen(f->epoch) != sizeof(s->epoch) - 1)
		return set_schema_error(e, "epoch is not 32 hex digits");
	if (f->version < 1 || f->version > VERSION_MAX)
		return set_schema_error(e, "version out of bounds");
	if (encoding_parse_time(f->issued, &s->issued) < 0 ||
	    encoding_parse_time(f->expires, &s->expires) < 0)
		return set_schema_error(e, "issued or expires is not a time");
	if (s->expires <= s->issued ||
	    s->expires - s->issued > SNAPSHOT_LIFE_MAX)
		return set_schema_error(e, "does not live up to 24 hours");
	snprintf(s->org, sizeof(s->org), "%s", f->org);
	snprintf(s->device, sizeof(s->device), "%s", f->device);
	snprintf(s->epoch, sizeof(s->epoch), "%s", f->epoch);
	s->version = (uint32_t)f->version;
	return 0;
}

int snapshot_parse(const void *json, size_t len, struct snapshot **ret,
		   struct err *e)
{
	auto_free struct snapshot *s = calloc(1, sizeof(*s));
	auto_json json_t *j = NULL;
	struct snapshot_fields f;
	size_t i;
	json_t *entry;
	int r;

	if (!s)
		return err_oom(e, "parse snapshot");
	r = json_parse(json, len, "snapshot", &j, e);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return err_reason(e, REASON_SCHEMA, "%s", strdupa(e->text));
	r = parse_snapshot_fields(j, &f, e);
	if (r == 0)
		r = parse_snapshot_head(&f, s, e);
	if (r < 0)
		return r;
	if (json_array_size(f.documents) > DOCUMENT_SET_MAX)
		return set_schema_error(e, "names too many documents");
	json_array_foreach (f.documents, i, entry) {
		r = parse_snapshot_entry(entry, s, e);
		if (r < 0)
			return r;
	}
	hash_sha256(json, len, s->digest);
	*ret = steal(s);
	return 0;
}

const struct snapshot_entry *snapshot_find_entry(const struct snapshot *s,
						 enum doc_type type,
						 const char *id)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (s->entry[i].type == type && !strcmp(s->entry[i].id, id))
			return &s->entry[i];
	return NULL;
}

bool snapshot_has_digest(const struct snapshot *s,
			 const uint8_t digest[HASH_SIZE])
{
	for (unsigned int i = 0; i < s->n; i++)
		if (memcmp(s->entry[i].digest, digest, HASH_SIZE) == 0)
			return true;
	return false;
}

static unsigned int count_entries(const struct snapshot *s, enum doc_type type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n; i++)
		n += s->entry[i].type == type;
	return n;
}

/* That the snapshot has this document at the minimum or above. */
static int check_entry_version(const struct snapshot *s, enum doc_type type,
			       const char *id, uint32_t min, struct err *e)
{
	const struct snapshot_entry *n = snapshot_find_entry(s, type, id);

	if (!n)
		return err_reason(e, REASON_INCOMPLETE,
				  "snapshot %u has no %s '%s'", s->version,
				  doc_type_name(type), id);
	if (n->version < min)
		return err_reason(e, REASON_INCOMPLETE,
				  "snapshot %u has %s '%s' %u, but %u is the "
				  "minimum",
				  s->version, doc_type_name(type), id,
				  n->version, min);
	return 0;
}

static int check_entry_count(const struct snapshot *s, enum doc_type type,
			     unsigned int want, struct err *e)
{
	unsigned int n = count_entries(s, type);

	if (n == want)
		return 0;
	return err_reason(e, REASON_INCOMPLETE,
			  "snapshot %u has %u of %s where %u belong",
			  s->version, n, doc_type_name(type), want);
}

int snapshot_check_group(const struct snapshot *s, const char *group,
			 uint32_t min, struct err *e)
{
	int r = check_entry_version(s, DOC_GROUP, group, min, e);

	return r < 0 ? r : check_entry_count(s, DOC_GROUP, 1, e);
}

int snapshot_check_group_refs(const struct snapshot *s,
			      const struct doc_group *g, struct err *e)
{
	unsigned int policies = 0, configs = 0;

	for (unsigned int i = 0; i < g->n_refs; i++) {
		const struct doc_ref *ref = &g->ref[i];
		int r = check_entry_version(s, ref->type, ref->id,
					    ref->min_version, e);

		if (r < 0)
			return r;
		policies += ref->type == DOC_DEVICE_POLICY;
		configs += ref->type == DOC_VP_CONFIG;
	}
	/* Each is there, none twice: what is more was not named. */
	if (check_entry_count(s, DOC_DEVICE_POLICY, policies, e) < 0)
		return -reason_errno(e->reason);
	return check_entry_count(s, DOC_VP_CONFIG, configs, e);
}

static bool is_image_referenced(const struct snapshot *s,
				const struct document_set *docs,
				const char *image)
{
	for (unsigned int i = 0; i < docs->n; i++) {
		const struct doc *d = docs->doc[i]->doc;

		if (d->head.type == DOC_VP_CONFIG &&
		    !strcmp(doc_as_vp_config(d)->image, image))
			return true;
	}
	return false;
}

int snapshot_check_images(const struct snapshot *s,
			  const struct document_set *docs, struct err *e)
{
	unsigned int configs = 0;

	for (unsigned int i = 0; i < docs->n; i++) {
		const struct doc *d = docs->doc[i]->doc;
		const struct doc_vp_config *c;
		int r;

		if (d->head.type != DOC_VP_CONFIG)
			continue;
		configs++;
		c = doc_as_vp_config(d);
		r = check_entry_version(s, DOC_IMAGE, c->image,
					c->image_min_version, e);
		if (r < 0)
			return r;
	}
	if (configs < count_entries(s, DOC_VP_CONFIG))
		return 0;
	for (unsigned int i = 0; i < s->n; i++)
		if (s->entry[i].type == DOC_IMAGE &&
		    !is_image_referenced(s, docs, s->entry[i].id))
			return err_reason(
				e, REASON_INCOMPLETE,
				"snapshot %u has image '%s', which no "
				"config needs",
				s->version, s->entry[i].id);
	return 0;
}
