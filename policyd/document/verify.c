/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/verify.h"

#include "lib/architecture.h"
#include "lib/auto.h"
#include "lib/crypto/password_crypto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/document/secure_time.h"
#include "policyd/store/store.h"

#include <string.h>

typedef int check_fn(struct verify *v, struct err *e);

void verify_fini(struct verify *v)
{
	doc_free(v->doc);
	free(v->snapshot);
	v->doc = NULL;
	v->snapshot = NULL;
}

/* How messages name a document. */
struct document_name {
	char text[160];
};

static struct document_name format_document_name(const struct doc_head *h)
{
	struct document_name n;

	snprintf(n.text, sizeof(n.text), "%s '%s' %u", doc_type_name(h->type),
		 h->id, h->version);
	return n;
}

/* ---- 2 and 3: signatures, schema, organisation */
static int open_signed_document(struct verify *v, struct err *e)
{
	return trust_open(v->facts->root, v->env, &v->doc, NULL, e);
}

static int open_signed_snapshot(struct verify *v, struct err *e)
{
	int r = threshold_check_role(v->facts->root, DOC_ROLE_DIRECTOR, v->env,
				     NULL, e);

	if (r == 0)
		r = snapshot_parse(v->env->payload, v->env->payload_len,
				   &v->snapshot, e);
	if (r == 0 && strcmp(v->snapshot->org, v->facts->root->head.org) != 0)
		r = err_reason(e, REASON_WRONG_ORG,
			       "snapshot %u is of '%s', the root of '%s'",
			       v->snapshot->version, v->snapshot->org,
			       v->facts->root->head.org);
	return r;
}

/*
 * A root is opened by the rules of the chain. One that does not follow may
 * still be an old one, or another of the same version, which is distinguished
 * where the root in force vouches for it.
 */
static int open_next_root(struct verify *v, struct err *e)
{
	const struct doc_root *held = v->facts->root;
	AUTO(doc_freep) struct doc *d = NULL;
	struct err other;
	int r;

	if (memcmp(v->env->digest, held->head.digest, HASH_SIZE) == 0) {
		v->known = true;
		return 0;
	}
	r = trust_open_next_root(held, v->env, &v->doc, e);
	if (r == 0 || e->reason != REASON_ROOT_CHAIN ||
	    threshold_check_role(held, DOC_ROLE_ROOT, v->env, NULL, &other) <
		    0 ||
	    doc_parse(DOC_ROOT, v->env->payload, v->env->payload_len, &d,
		      &other) < 0)
		return r;
	if (d->head.version < held->head.version)
		return err_reason(e, REASON_ROLLBACK,
				  "root %u is older than the one in force, %u",
				  d->head.version, held->head.version);
	if (d->head.version == held->head.version)
		return err_reason(e, REASON_EQUIVOCATION,
				  "root %u differs from the one in force",
				  d->head.version);
	return r;
}

static bool is_director_key(const struct doc_root *r, const char *id)
{
	for (unsigned int i = 0; i < r->n_keys; i++)
		if (strcmp(key_id(r->key[i].key), id) == 0)
			return r->role[DOC_ROLE_DIRECTOR].members >> i & 1;
	return 0;
}

static bool has_all_directors(const struct doc_root *a,
			      const struct doc_root *b)
{
	for (unsigned int i = 0; i < a->n_keys; i++)
		if (a->role[DOC_ROLE_DIRECTOR].members >> i & 1 &&
		    !is_director_key(b, key_id(a->key[i].key)))
			return false;
	return true;
}

static int compare_directors(struct verify *v, struct err *e)
{
	const struct doc_root *new = doc_as_root(v->doc);

	v->new_director = !has_all_directors(new, v->facts->root) ||
			  !has_all_directors(v->facts->root, new);
	return 0;
}

/* ---- 4: secure time */
/* What is presumed may let something in, and never keeps it out: starts that
 * follow each other quickly would else make everything too old. */
static int check_validity_times(const struct verify_facts *f,
				const struct doc_head *h, struct err *e)
{
	char at[ENCODING_TIME_SIZE];

	encoding_format_time(f->confirmed, at);
	if (h->issued > f->now + SECURE_TIME_SLACK)
		return err_reason(e, REASON_NOT_YET_VALID,
				  "%s was issued after the device's time, %s",
				  format_document_name(h).text, at);
	if (h->expires < f->confirmed)
		return err_reason(e, REASON_EXPIRED,
				  "%s expired before the device's time, %s",
				  format_document_name(h).text, at);
	return 0;
}

/* What is in force does not lapse by being named again. */
static int check_document_times(struct verify *v, struct err *e)
{
	if (document_set_find_by_digest(v->facts->in_force, v->env->digest))
		return 0;
	return check_validity_times(v->facts, &v->doc->head, e);
}

static int check_command_times(struct verify *v, struct err *e)
{
	struct store_command j;
	int r = store_get_command(v->facts->store, v->doc->head.id, &j, e);

	if (r < 0 && r != -ENOENT)
		return r;
	/* The first receipt again, however late. */
	if (r == 0 && memcmp(j.digest, v->env->digest, HASH_SIZE) == 0) {
		v->known = true;
		return 0;
	}
	return check_validity_times(v->facts, &v->doc->head, e);
}

static int check_snapshot_times(struct verify *v, struct err *e)
{
	const struct snapshot *s = v->snapshot;
	char expired[ENCODING_TIME_SIZE];

	if (s->issued > v->facts->root->head.expires)
		return err_reason(
			e, REASON_NOT_YET_VALID,
			"snapshot %u was issued after the root expired",
			s->version);
	encoding_format_time(s->expires, expired);
	if (s->expires < v->facts->confirmed)
		return err_reason(e, REASON_FREEZE,
				  "snapshot %u expired at %s, before the "
				  "device's time",
				  s->version, expired);
	return 0;
}

/* ---- 5: versions, ids, epoch; 6: addressee */
static int check_version_floor(const struct verify_facts *f, enum doc_type type,
			       const char *id, uint32_t version,
			       const uint8_t digest[HASH_SIZE], struct err *e)
{
	struct store_floor floor;
	int r = store_get_floor(f->store, type, id, &floor, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (version < floor.version)
		return err_reason(e, REASON_ROLLBACK,
				  "%s '%s' %u is older than the one held, %u",
				  doc_type_name(type), id, version,
				  floor.version);
	if (version == floor.version &&
	    memcmp(digest, floor.digest, HASH_SIZE) != 0)
		return err_reason(e, REASON_EQUIVOCATION,
				  "%s '%s' %u differs from the one held",
				  doc_type_name(type), id, version);
	return 0;
}

static int check_document_version(struct verify *v, struct err *e)
{
	const struct doc_head *h = &v->doc->head;

	return check_version_floor(v->facts, h->type, h->id, h->version,
				   v->env->digest, e);
}

/* Of the version that is held: is it the same one? */
static int check_snapshot_digest(struct verify *v, struct err *e)
{
	const struct snapshot *s = v->snapshot;
	auto_free char *digest = NULL;
	char hex[2 * HASH_SIZE + 1];
	int r = store_lookup_text(v->facts->store, STORE_SNAPSHOT_DIGEST,
				  &digest, e);

	if (r < 0 && r != -ENOENT)
		return r;
	encoding_to_hex(s->digest, HASH_SIZE, hex);
	if (!digest || strcmp(digest, hex) != 0)
		return err_reason(e, REASON_EQUIVOCATION,
				  "snapshot %u differs from the one held",
				  s->version);
	v->known = true;
	return 0;
}

static int check_snapshot_version(struct verify *v, struct err *e)
{
	const struct snapshot *s = v->snapshot;
	int64_t floor;
	int r;

	if (strcmp(s->device, v->facts->device) != 0)
		return err_reason(e, REASON_WRONG_DEVICE,
				  "snapshot %u is for %s", s->version,
				  s->device);
	if (strcmp(s->epoch, v->facts->epoch) != 0)
		return err_reason(
			e, REASON_EPOCH,
			"snapshot %u is for another enrollment of this "
			"device",
			s->version);
	r = store_get_int(v->facts->store, STORE_SNAPSHOT_FLOOR, 0, &floor, e);
	if (r < 0)
		return r;
	if (s->version < floor)
		return err_reason(e, REASON_ROLLBACK,
				  "snapshot %u is older than the one held, %u",
				  s->version, (unsigned int)floor);
	return s->version > floor ? 0 : check_snapshot_digest(v, e);
}

/* What it names may not lie below what was in force: it could never activate.
 */
static int check_snapshot_entries(struct verify *v, struct err *e)
{
	const struct snapshot *s = v->snapshot;

	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];
		int r = check_version_floor(v->facts, n->type, n->id,
					    n->version, n->digest, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_snapshot_group(struct verify *v, struct err *e)
{
	struct store *st = v->facts->store;
	auto_free char *group = NULL;
	int64_t min;
	int r = store_lookup_text(st, STORE_GROUP, &group, e);

	if (r < 0)
		return r;
	r = store_get_int(st, STORE_GROUP_MIN, 1, &min, e);
	if (r < 0)
		return r;
	return snapshot_check_group(v->snapshot, group, (uint32_t)min, e);
}

static int check_command_id(struct verify *v, struct err *e)
{
	struct store_command j;
	int r = store_get_command(v->facts->store, v->doc->head.id, &j, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return err_reason(e, REASON_REPLAY,
			  "%s: an order of this id was taken before",
			  format_document_name(&v->doc->head).text);
}

static int check_addressee(struct verify *v, struct err *e)
{
	const struct doc_head *h = &v->doc->head;
	bool is_command = h->type == DOC_COMMAND;
	const char *device = is_command ? doc_as_command(v->doc)->device
					: doc_as_membership(v->doc)->device;
	const char *epoch = is_command ? doc_as_command(v->doc)->epoch
				       : doc_as_membership(v->doc)->epoch;

	/* An epoch says something only beside its own device. */
	if (strcmp(device, v->facts->device) != 0)
		return err_reason(e, REASON_WRONG_DEVICE, "%s is for %s",
				  format_document_name(h).text, device);
	if (strcmp(epoch, v->facts->epoch) != 0)
		return err_reason(e, REASON_EPOCH,
				  "%s is for another enrollment of this device",
				  format_document_name(h).text);
	return 0;
}

/* Does it follow the one that was taken last? */
static int check_membership_order(struct verify *v, bool is_later,
				  struct err *e)
{
	const struct doc_membership *m = doc_as_membership(v->doc);
	auto_free char *hex = NULL;
	int r = store_lookup_text(v->facts->store, STORE_MEMBER_DIGEST, &hex,
				  e);

	if (r < 0 && r != -ENOENT)
		return r;
	if (*m->after ? hex && strcmp(m->after + strlen("sha256:"), hex) == 0
		      : is_later)
		return 0;
	return err_reason(e, REASON_REPLAY,
			  *m->after ? "%s follows another than the one that "
				      "was taken last"
				    : "%s is of the same second as the one "
				      "that was taken last, and does not name "
				      "it",
			  format_document_name(&m->head).text);
}

/* Memberships must come in the order of their making, or a server could choose
 * in which of two groups the device ends. */
static int check_membership(struct verify *v, struct err *e)
{
	const struct doc_head *h = &v->doc->head;
	int64_t held;
	int r;

	if (h->type != DOC_MEMBERSHIP)
		return 0;
	r = store_get_int(v->facts->store, STORE_MEMBER_ISSUED, 0, &held, e);
	if (r < 0)
		return r;
	if (h->issued < held)
		return err_reason(e, REASON_ROLLBACK,
				  "%s was issued before the one held",
				  format_document_name(h).text);
	return check_membership_order(v, h->issued > held, e);
}

/* ---- 7: the config password */
static bool has_valid_proof(const struct doc_vp_config *held,
			    const struct envelope *env)
{
	char over[ENCODING_DIGEST_SIZE];
	auto_free void *pae = NULL;
	struct err ignored;
	size_t len;

	encoding_format_digest(held->head.digest, over);
	if (envelope_pae(env->type, env->payload, env->payload_len, &pae, &len,
			 &ignored) < 0)
		return false;
	for (unsigned int i = 0; i < env->n_proofs; i++) {
		const struct envelope_proof *p = &env->proof[i];

		if (memcmp(p->over, held->head.digest, HASH_SIZE) == 0 &&
		    password_crypto_check_proof(held->verifier, over, pae, len,
						p->mac))
			return true;
	}
	return false;
}

int verify_protection(const struct verify_facts *f,
		      const struct doc_vp_config *held,
		      const struct envelope *env, struct err *e)
{
	struct err ignored;

	if (!held->is_protected || strcmp(f->window, held->head.id) == 0)
		return 0;
	if (env && (has_valid_proof(held, env) ||
		    threshold_check_role(f->root, DOC_ROLE_ROOT, env, NULL,
					 &ignored) == 0))
		return 0;
	return err_reason(e, REASON_PASSWORD,
			  "%s is protected, and its password was not proved",
			  format_document_name(&held->head).text);
}

/* The config as it was last in force, also where no snapshot names it now. */
static int load_protected_config(const struct verify_facts *f, const char *id,
				 struct doc **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	struct store_floor floor;
	int r = store_get_floor(f->store, DOC_VP_CONFIG, id, &floor, e);

	if (r == 0)
		r = store_get_document(f->store, floor.digest, &text, e);
	if (r == 0)
		r = envelope_parse(text, strlen(text), &env, e);
	if (r == 0)
		r = doc_parse(DOC_VP_CONFIG, env->payload, env->payload_len,
			      ret, e);
	return r;
}

/* A proof for the held version shows a reader a half of its key, which a
 * version with the same salt and password would share. */
static int check_salt_reuse(const struct doc_vp_config *old,
			    const struct doc *new, struct err *e)
{
	const struct doc_vp_config *c;

	if (new->head.type != DOC_VP_CONFIG)
		return 0;
	c = doc_as_vp_config(new);
	if (!old->is_protected || !c->is_protected ||
	    old->salt_len != c->salt_len ||
	    memcmp(old->salt, c->salt, c->salt_len) != 0)
		return 0;
	return err_reason(e, REASON_SCHEMA, "%s has the salt of version %u",
			  format_document_name(&c->head).text,
			  old->head.version);
}

static int check_password_proof(struct verify *v, struct err *e)
{
	AUTO(doc_freep) struct doc *old = NULL;
	const char *id = v->doc->head.id;
	int r;

	if (v->doc->head.type == DOC_COMMAND)
		id = doc_as_command(v->doc)->vp;
	else if (v->doc->head.type != DOC_VP_CONFIG)
		return 0;
	r = load_protected_config(v->facts, id, &old, e);
	if (r == -ENOENT)
		return 0;
	if (r < 0 || !old)
		return r;
	if (memcmp(old->head.digest, v->env->digest, HASH_SIZE) == 0)
		return 0;
	r = check_salt_reuse(doc_as_vp_config(old), v->doc, e);
	if (r < 0)
		return r;
	return verify_protection(v->facts, doc_as_vp_config(old), v->env, e);
}

static int check_removal_proof(struct verify *v, struct err *e)
{
	if (v->doc->head.type != DOC_COMMAND ||
	    doc_as_command(v->doc)->action != DOC_REMOVE)
		return 0;
	return check_password_proof(v, e);
}

/* ---- 8: the snapshot's digest */
/* What the snapshot says of a digest counts only where the document says it. */
static int check_entry_matches(struct verify *v, const struct snapshot *s,
			       struct err *e)
{
	const struct doc_head *h = &v->doc->head;

	for (unsigned int i = 0; i < s->n; i++) {
		const struct snapshot_entry *n = &s->entry[i];

		if (memcmp(n->digest, v->env->digest, HASH_SIZE) != 0 ||
		    (n->type == h->type && strcmp(n->id, h->id) == 0 &&
		     n->version == h->version))
			continue;
		v->contradicts = s == v->facts->staged;
		return err_reason(e, REASON_MIX_AND_MATCH,
				  "snapshot %u names %s '%s' %u, but those "
				  "bytes are %s",
				  s->version, doc_type_name(n->type), n->id,
				  n->version, format_document_name(h).text);
	}
	return 0;
}

static int check_named_digest(struct verify *v, struct err *e)
{
	const struct snapshot *s = v->facts->staged;
	const struct doc_head *h = &v->doc->head;

	if (document_set_find_by_digest(v->facts->in_force, v->env->digest) &&
	    (!s || !snapshot_has_digest(s, v->env->digest))) {
		v->known = true;
		return 0;
	}
	if (!s)
		s = v->facts->snapshot;
	if (s && snapshot_has_digest(s, v->env->digest))
		return check_entry_matches(v, s, e);
	return err_reason(e, REASON_MIX_AND_MATCH,
			  "%s is not what snapshot %u names",
			  format_document_name(h).text, s ? s->version : 0);
}

static int check_image_support(struct verify *v, struct err *e)
{
	const struct doc_image *im;

	if (v->doc->head.type != DOC_IMAGE)
		return 0;
	im = doc_as_image(v->doc);
	if (im->min_agent > VERIFY_AGENT_VERSION)
		return err_reason(e, REASON_AGENT_TOO_OLD,
				  "%s needs version %u, this is %u",
				  format_document_name(&im->head).text,
				  im->min_agent, VERIFY_AGENT_VERSION);
	if (strcmp(im->architecture, architecture_own()) != 0)
		return err_reason(e, REASON_ARCHITECTURE,
				  "%s is for %s, this device is %s",
				  format_document_name(&im->head).text,
				  im->architecture, architecture_own());
	return 0;
}

/* ---- the orders of tests; one that finds the thing known ends its list */
static check_fn *const root_checks[] = { open_next_root, compare_directors,
					 NULL };

static check_fn *const snapshot_checks[] = {
	open_signed_snapshot,	check_snapshot_times, check_snapshot_version,
	check_snapshot_entries, check_snapshot_group, NULL,
};

static check_fn *const document_checks[] = {
	open_signed_document,
	check_document_times,
	check_document_version,
	check_password_proof,
	check_named_digest,
	check_image_support,
	NULL,
};

static check_fn *const command_checks[] = {
	open_signed_document,
	check_command_times,
	check_command_id,
	check_addressee,
	check_membership,
	check_removal_proof,
	NULL,
};

static check_fn *const *select_envelope_checks(const struct envelope *env,
					       struct err *e)
{
	if (strcmp(env->type, SNAPSHOT_TYPE) == 0)
		return snapshot_checks;
	switch (doc_type_from_payload_type(env->type)) {
	case DOC_ROOT:
		return root_checks;
	case DOC_COMMAND:
	case DOC_MEMBERSHIP:
		return command_checks;
	case DOC_NONE:
	case DOC_TYPE_COUNT:
		err_reason(e, REASON_ENVELOPE,
			   "payloadType '%s' is none that a device takes",
			   env->type);
		return NULL;
	default:
		return document_checks;
	}
}

int verify_envelope(const struct verify_facts *f, const struct envelope *env,
		    struct verify *ret, struct err *e)
{
	check_fn *const *t = select_envelope_checks(env, e);
	int r = 0;

	*ret = (struct verify){ .facts = f, .env = env };
	if (!t)
		return -reason_errno(REASON_ENVELOPE);
	for (; *t && r == 0 && !ret->known; t++)
		r = (*t)(ret, e);
	return r;
}
