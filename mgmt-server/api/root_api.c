/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/api/root_api.h"

#include "lib/auto.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "mgmt-server/api/document_api.h"
#include "mgmt-server/api/handlers.h"
#include "mgmt-server/api/request.h"
#include "mgmt-server/fleet/snapshot.h"
#include "mgmt-server/store/document.h"
#include "mgmt-server/store/pki.h"
#include "mgmt-server/store/root.h"

#include <errno.h>
#include <string.h>

int root_api_build_json(struct request *rq, int64_t version, json_t **ret,
			struct err *e)
{
	char sha256[ENCODING_DIGEST_SIZE] = "";
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_first(rq->db, &row, e,
			 "SELECT sha256 FROM document WHERE type = 'root' AND"
			 " state IN ('active', 'superseded') AND"
			 " (version = ?1 OR (?1 = 0 AND state = 'active'))",
			 "i", version);

	if (r < 0)
		return r;
	if (r > 0)
		snprintf(sha256, sizeof(sha256), "%s", db_text(row, 0));
	db_done(&row);
	*ret = NULL;
	r = sha256[0] ? document_api_load_json(rq, sha256, ret, e) : 0;
	rq->answer.etag[0] = '\0';
	if (!*ret)
		*ret = json_null();
	return r < 0 ? r : 0;
}

int root_api_list(struct request *rq, struct err *e)
{
	struct db *db = rq->db;
	auto_json json_t *items = json_array();
	AUTO(db_done) struct db_row *row = NULL;
	int r = db_query(db, &row, e,
			 "SELECT sha256, envelope FROM document"
			 " WHERE type = 'root' AND state <> 'withdrawn'"
			 " ORDER BY state = 'proposed', version, number",
			 "");

	if (r < 0)
		return r;
	while (db_next(row, &r, e)) {
		json_t *j = NULL;

		r = document_api_load_json(rq, db_text(row, 0), &j, e);
		if (r < 0)
			return r;
		r = 0; /* found: each root is */
		request_set_member(j, "envelope",
				   json_from_text(db_text(row, 1)));
		json_array_append_new(items, j);
	}
	rq->answer.etag[0] = '\0';
	return r < 0 ? r : request_answer_list(rq, steal(items), NULL, e);
}

int root_api_show(struct request *rq, struct err *e)
{
	const char *version = rq->param[0];
	bool latest = strcmp(version, "latest") == 0;
	struct db *db = rq->db;
	uint64_t number = 0;
	AUTO(db_done) struct db_row *row = NULL;
	char *text = NULL;
	int r;

	if (!latest && encoding_parse_number(version, INT32_MAX, &number) < 0)
		return err_set(e, PROBLEM_NOT_FOUND, "there is no such root");
	r = db_first(db, &row, e,
		     "SELECT envelope FROM document WHERE type = 'root' AND"
		     " state IN ('active', 'superseded') AND"
		     " (version = ?1 OR (?1 = 0 AND state = 'active'))",
		     "i", (int64_t)number);
	if (r <= 0)
		return r < 0 ? r
			     : err_set(e, PROBLEM_NOT_FOUND,
				       "there is no such root");
	r = db_copy_text(row, 0, &text, e);
	return r < 0 ? r
		     : request_answer_text(rq, 200, "application/json", text,
					   e);
}

struct next_root {
	struct envelope *env;
	struct doc *doc;
	bool known, valid;
	unsigned int threshold;
};

static void next_root_fini(struct next_root *n)
{
	envelope_free(n->env);
	doc_free(n->doc);
}

/*
 * In force, or waiting: signatures by the old and by the new root's keys are
 * kept until both thresholds are reached.
 */
static int check_next_root(const struct request *rq, struct next_root *n,
			   struct err *e)
{
	const struct doc_root *held = root_get(rq->context->root), *mine;
	struct envelope *env = n->env;
	uint32_t want = held ? held->head.version + 1 : 1;
	int r = held ? trust_open_next_root(held, env, &n->doc, e)
		     : trust_open_pinned_root(env, env->digest, &n->doc, e);

	n->valid = r == 0;
	if (r < 0)
		r = doc_parse(DOC_ROOT, env->payload, env->payload_len, &n->doc,
			      e);
	if (r < 0)
		return r;
	mine = doc_as_root(n->doc);
	n->threshold = mine->role[DOC_ROLE_ROOT].threshold;
	if (strcmp(mine->head.org, rq->context->org) != 0)
		return err_reason(e, REASON_WRONG_ORG, "org '%s', not '%s'",
				  mine->head.org, rq->context->org);
	if (mine->head.version != want)
		return err_reason(e, REASON_ROOT_CHAIN,
				  "root version %u: the next one is %u",
				  mine->head.version, want);
	if (!n->valid && env->n_signatures > 0) {
		struct threshold_result a = { 0 }, b = { 0 };
		struct err old_why;

		threshold_check_role(mine, DOC_ROLE_ROOT, env, &a, e);
		if (held)
			threshold_check_role(held, DOC_ROLE_ROOT, env, &b,
					     &old_why);
		if (a.count + b.count == 0)
			return err_reason(e, REASON_UNKNOWN_KEY,
					  "no signature by a root key of the "
					  "old or the new root");
	}
	return document_check_times(&mine->head, e);
}

static void warn_missing_server_keys(const struct request *rq,
				     const struct doc_root *root)
{
	const char *director = key_id(pki_director_key(rq->context->pki));
	bool ca = false, key = false;

	for (unsigned int i = 0; i < root->n_cas; i++)
		ca |= memcmp(root->ca[i], pki_ca_digest(rq->context->pki),
			     HASH_SIZE) == 0;
	for (unsigned int i = 0; i < root->n_keys; i++)
		if (root->role[DOC_ROLE_DIRECTOR].members >> i & 1)
			key |= strcmp(key_id(root->key[i].key), director) == 0;
	if (!ca || !key)
		log_warning("root %u does not name this server's %s",
			    root->head.version, ca ? "director key" : "CA");
}

static int store_next_root(struct request *rq, struct next_root *n,
			   struct err *e)
{
	const struct doc_root *mine = doc_as_root(n->doc);
	auto_json json_t *signers = document_list_signers(mine, n->env);
	struct document_row row = {
		.env = n->env,
		.head = &mine->head,
		.state = n->valid ? "active" : "proposed",
		.submitter = rq->caller.name,
		.signers = signers,
		.threshold = n->threshold,
		.complete = true,
	};
	int r = 0;

	if (n->valid)
		r = db_run(rq->db, e,
			   "UPDATE document SET state = 'superseded'"
			   " WHERE type = 'root' AND state = 'active'",
			   "");
	if (r == 0)
		r = document_store(rq->db, &row, e);
	if (r < 0 || !n->valid)
		return r;
	warn_missing_server_keys(rq, mine);
	r = root_reload(rq->db, rq->context->root, e);
	if (r == 0)
		r = document_revalidate_all(rq->db, root_get(rq->context->root),
					    e);
	if (r == 0)
		r = snapshot_handle_document_change(rq->context->snapshots, e);
	return r;
}

int root_api_submit(struct request *rq, struct err *e)
{
	AUTO(next_root_fini) struct next_root n = { 0 };
	char sha256[ENCODING_DIGEST_SIZE], object[80];
	json_t *answer = NULL;
	int r = envelope_parse(rq->body ? rq->body : "", rq->len, &n.env, e);

	if (r < 0)
		return r;
	if (doc_type_from_payload_type(n.env->type) != DOC_ROOT)
		return err_set(e, EINVAL, "it is not a root");
	encoding_format_digest(n.env->digest, sha256);
	r = document_merge_envelope(rq->db, n.env, &n.known, e);
	if (r < 0)
		return r;
	if (root_get(rq->context->root) &&
	    memcmp(root_get(rq->context->root)->head.digest, n.env->digest,
		   HASH_SIZE) == 0) {
		r = document_api_load_json(rq, sha256, &answer, e);
		return r < 0 ? r : request_answer_json(rq, 200, answer, e);
	}
	r = check_next_root(rq, &n, e);
	if (r == 0)
		r = store_next_root(rq, &n, e);
	if (r == 0)
		r = document_api_load_json(rq, sha256, &answer, e);
	if (r < 0)
		return r;
	snprintf(object, sizeof(object), "root/%u", n.doc->head.version);
	request_set_audit(rq, object, NULL, NULL, NULL, json_deep_copy(answer));
	return request_answer_json(rq, n.known ? 200 : 201, answer, e);
}
