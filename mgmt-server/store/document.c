/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/store/document.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/password_crypto.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>

#define UNKNOWN_PROOFS_MAX 16
#define SKEW 300 /* seconds that an administrator's clock may be ahead */

/* ---- reading */
int document_load_envelope(struct db *db, const char *sha256, char **ret,
			   struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT envelope FROM document WHERE sha256 = ?", "s",
			 sha256);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ENOENT, "no document has digest %.80s",
			       sha256);
	return db_copy_text(row, 0, ret, e);
}

int document_load(struct db *db, const char *sha256, struct doc **ret,
		  struct err *e)
{
	const void *payload;
	AUTO(db_done) struct db_row *row = NULL;
	size_t len;
	int r = db_first(db, &row, e,
			 "SELECT type, payload FROM document WHERE sha256 = ?",
			 "s", sha256);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(e, ENOENT, "no document has digest %.80s",
			       sha256);
	payload = db_blob(row, 1, &len);
	r = doc_parse(doc_type_from_name(db_text(row, 0)), payload, len, ret,
		      e);
	return r;
}

json_t *document_load_signers(struct db *db, const char *sha256)
{
	json_t *j = NULL;
	AUTO(db_done) struct db_row *row = NULL;
	struct err e;

	if (db_first(db, &row, &e,
		     "SELECT signers FROM document WHERE sha256 = ?", "s",
		     sha256) <= 0)
		return NULL;
	j = json_from_text(db_text(row, 0));
	return j;
}

int document_find_newest(struct db *db, enum doc_type type, const char *id,
			 uint32_t min_version, int64_t now,
			 struct document_version *ret, struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(db, &row, e,
			 "SELECT version, sha256 FROM document WHERE type = ?"
			 " AND id = ? AND version >= ? AND " DOCUMENT_IS_VALID
			 " AND complete = 1 AND expires > ?"
			 " ORDER BY version DESC LIMIT 1",
			 "ssii", doc_type_name(type), id, (int64_t)min_version,
			 now);

	if (r <= 0)
		return r;
	ret->type = type;
	snprintf(ret->id, sizeof(ret->id), "%s", id);
	ret->version = (uint32_t)db_int(row, 0);
	snprintf(ret->sha256, sizeof(ret->sha256), "%s", db_text(row, 1));
	return 1;
}

/* ---- signatures */
/* -1: the root has no such key. */
static int find_root_key(const struct doc_root *root, const char *keyid)
{
	for (unsigned int i = 0; root && i < root->n_keys; i++)
		if (strcmp(key_id(root->key[i].key), keyid) == 0)
			return (int)i;
	return -1;
}

static bool has_single_signature(const struct envelope *env, const char *keyid)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < env->n_signatures; i++)
		n += strcmp(env->signature[i].keyid, keyid) == 0;
	return n == 1;
}

void document_remove_bad_signatures(const struct doc_root *root,
				    uint64_t verified, struct envelope *env)
{
	struct envelope_signature *kept = env->signature;
	unsigned int n = env->n_signatures;
	uint64_t seen = 0, known = 0;

	for (unsigned int i = 0; i < n; i++) {
		int k = find_root_key(root, env->signature[i].keyid);

		if (k >= 0 &&
		    has_single_signature(env, env->signature[i].keyid))
			known |= verified & UINT64_C(1) << k;
	}
	for (unsigned int i = 0; i < n; i++) {
		const struct envelope_signature *sg = &env->signature[i];
		int k = find_root_key(root, sg->keyid);

		if (k < 0 || seen >> k & 1 ||
		    (!(known >> k & 1) &&
		     key_verify(root->key[k].key, env->pae_digest, sg->sig,
				sg->sig_len) < 0))
			continue;
		seen |= UINT64_C(1) << k;
		*kept++ = *sg;
	}
	env->n_signatures = (unsigned int)(kept - env->signature);
}

bool document_needs_signatures(const struct envelope *env, const struct err *e)
{
	return e->reason == REASON_THRESHOLD ||
	       (e->reason == REASON_UNKNOWN_KEY && env->n_signatures == 0);
}

json_t *document_list_signers(const struct doc_root *root,
			      const struct envelope *env)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < env->n_signatures; i++) {
		const char *keyid = env->signature[i].keyid;
		int k = find_root_key(root, keyid);

		if (k >= 0)
			json_array_append_new(
				list, json_pack("{s:s, s:s}", "keyid", keyid,
						"name", root->key[k].name));
	}
	return list;
}

/* 1: it proves the password of a version that is here; 0: it does not; -1: that
 * version is not here. */
static int check_password_proof(struct db *db, const struct envelope *env,
				const struct envelope_proof *p)
{
	AUTO(doc_freep) struct doc *old = NULL;
	const struct doc_vp_config *c;
	char over[ENCODING_DIGEST_SIZE];
	auto_free void *pae = NULL;
	struct err ignored;
	size_t len;

	encoding_format_digest(p->over, over);
	if (document_load(db, over, &old, &ignored) < 0)
		return -1;
	if (old->head.type != DOC_VP_CONFIG ||
	    envelope_pae(env->type, env->payload, env->payload_len, &pae, &len,
			 &ignored) < 0)
		return 0;
	c = doc_as_vp_config(old);
	return c->is_protected &&
	       password_crypto_check_proof(c->verifier, over, pae, len, p->mac);
}

/*
 * Those that hold, and a few that look like junk: an attacker who fills an
 * envelope with such keeps nobody else's proof out.
 */
static void filter_password_proofs(struct db *db, struct envelope *env)
{
	struct envelope_proof unknown[UNKNOWN_PROOFS_MAX];
	unsigned int n = env->n_proofs, kept = 0, n_unknown = 0;

	for (unsigned int i = 0; i < n; i++) {
		int holds = check_password_proof(db, env, &env->proof[i]);

		if (holds > 0)
			env->proof[kept++] = env->proof[i];
		else if (holds < 0 && n_unknown < UNKNOWN_PROOFS_MAX)
			unknown[n_unknown++] = env->proof[i];
	}
	for (unsigned int i = 0; i < n_unknown; i++)
		env->proof[kept++] = unknown[i];
	env->n_proofs = kept;
}

int document_merge_envelope(struct db *db, struct envelope *env,
			    bool *ret_known, struct err *e)
{
	AUTO(envelope_freep) struct envelope *old = NULL;
	char sha256[ENCODING_DIGEST_SIZE];
	auto_free char *text = NULL;
	int r;

	encoding_format_digest(env->digest, sha256);
	r = document_load_envelope(db, sha256, &text, e);
	*ret_known = r == 0;
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = envelope_parse(text, strlen(text), &old, e);
	if (r != 0)
		return r;
	filter_password_proofs(db, env);
	filter_password_proofs(db, old);
	r = envelope_merge(env, old, e);
	return r == -E2BIG ? err_reason(e, REASON_TOO_LARGE,
					"with the signatures that are here "
					"there are more than %d",
					ENVELOPE_SIGNATURES_MAX)
			   : r;
}

int document_store(struct db *db, const struct document_row *row, struct err *e)
{
	auto_free char *signers = json_text(row->signers);
	const struct doc_head *h = row->head;
	char sha256[ENCODING_DIGEST_SIZE];
	auto_free char *text = NULL;
	int r = envelope_text(row->env, &text, e);

	if (r < 0)
		return r;
	if (!signers)
		return err_oom(e, "store a document");
	encoding_format_digest(row->env->digest, sha256);
	return db_run(
		db, e,
		"INSERT INTO document (sha256, type, id, version, issued,"
		" expires, state, signers, threshold, payload, envelope,"
		" submitted, submitter, complete)"
		" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
		" ON CONFLICT (sha256) DO UPDATE SET state = excluded.state,"
		" signers = excluded.signers, threshold = excluded.threshold,"
		" envelope = excluded.envelope, complete = excluded.complete,"
		" rev = rev + 1",
		"sssiiissibsisi", sha256, doc_type_name(h->type), h->id,
		(int64_t)h->version, h->issued, h->expires, row->state, signers,
		(int64_t)row->threshold, row->env->payload,
		row->env->payload_len, text, clock_wall(), row->submitter,
		(int64_t)row->complete);
}

int document_check_times(const struct doc_head *h, struct err *e)
{
	int64_t now = clock_wall();

	if (h->expires <= now)
		return err_reason(e, REASON_EXPIRED, "%s %s %u has expired",
				  doc_type_name(h->type), h->id, h->version);
	if (h->issued > now + SKEW)
		return err_reason(e, REASON_NOT_YET_VALID,
				  "%s %s %u is issued in the future",
				  doc_type_name(h->type), h->id, h->version);
	return 0;
}

/* ---- after a new root */
static int revalidate_document(struct db *db, const struct doc_root *root,
			       const char *sha256, const char *text,
			       struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	struct threshold_result tr = { 0 };
	auto_json json_t *signers = NULL;
	auto_free char *names = NULL;
	struct err why;
	bool valid;
	int r = envelope_parse(text, strlen(text), &env, e);

	if (r < 0)
		return r;
	valid = threshold_check(root, env, NULL, &tr, &why) == 0;
	signers = document_list_signers(root, env);
	names = signers ? json_text(signers) : NULL;
	if (!names)
		return err_oom(e, "verify a document again");
	return db_run(db, e,
		      "UPDATE OR IGNORE document SET state = ?, signers = ?,"
		      " threshold = ?, rev = rev + 1 WHERE sha256 = ?",
		      "ssis", valid ? "valid" : "proposed", names,
		      (int64_t)tr.threshold, sha256);
}

int document_revalidate_all(struct db *db, const struct doc_root *root,
			    struct err *e)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(db, &row, e,
			 "SELECT sha256, envelope FROM document"
			 " WHERE type <> 'root' AND state <> 'withdrawn'"
			 " ORDER BY number",
			 "");

	while (db_next(row, &r, e))
		r = revalidate_document(db, root, db_text(row, 0),
					db_text(row, 1), e);
	return r;
}
