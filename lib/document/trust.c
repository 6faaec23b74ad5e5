/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/trust.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/err.h"

#include <inttypes.h>
#include <string.h>

static int check_same_org(const struct doc_root *root, const struct doc *doc,
			  struct err *e)
{
	if (strcmp(root->head.org, doc->head.org) == 0)
		return 0;
	return err_reason(e, REASON_WRONG_ORG,
			  "%s '%s': org '%s' is not the root's, '%s'",
			  doc_type_name(doc->head.type), doc->head.id,
			  doc->head.org, root->head.org);
}

int trust_open(const struct doc_root *root, const struct envelope *env,
	       struct doc **ret, struct threshold_result *ret_signers,
	       struct err *e)
{
	enum doc_type type = doc_type_from_payload_type(env->type);
	AUTO(doc_freep) struct doc *doc = NULL;
	struct threshold_tally t;
	int r = threshold_check(root, env, &t, ret_signers, e);

	if (r < 0)
		return r;
	if (type == DOC_NONE)
		return err_reason(
			e, REASON_ENVELOPE,
			"envelope: payloadType '%s' is not a document",
			env->type);
	/* Signatures of the root in force are not enough for one. */
	if (type == DOC_ROOT)
		return trust_open_next_root(root, env, ret, e);
	r = doc_parse(type, env->payload, env->payload_len, &doc, e);
	if (r < 0)
		return r;
	r = check_same_org(root, doc, e);
	if (r < 0)
		return r;
	if (type == DOC_COMMAND) {
		enum doc_role role =
			doc_action_role(doc_as_command(doc)->action);

		r = threshold_check_tally(root, role, env, &t, ret_signers, e);
		if (r < 0)
			return r;
	}
	*ret = steal(doc);
	return 0;
}

static int parse_root_document(const struct envelope *env, struct doc **ret,
			       struct err *e)
{
	if (doc_type_from_payload_type(env->type) != DOC_ROOT)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: payloadType '%s' is not a root's",
				  env->type);
	return doc_parse(DOC_ROOT, env->payload, env->payload_len, ret, e);
}

int trust_open_pinned_root(const struct envelope *env,
			   const uint8_t digest[HASH_SIZE], struct doc **ret,
			   struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	int r;

	if (hash_compare(env->digest, digest, HASH_SIZE) != 0)
		return err_reason(e, REASON_ROOT_CHAIN,
				  "root: its digest is not the pinned one");
	r = parse_root_document(env, &doc, e);
	if (r < 0)
		return r;
	r = threshold_check_role(doc_as_root(doc), DOC_ROLE_ROOT, env, NULL, e);
	if (r < 0)
		return r;
	*ret = steal(doc);
	return 0;
}

/* threshold_check_role() for a step of the chain: its text, but one reason. */
static int check_root_step(const struct doc_root *root, const char *which,
			   const struct envelope *env, struct err *e)
{
	struct threshold_result t;

	if (threshold_check_role(root, DOC_ROLE_ROOT, env, &t, e) == 0)
		return 0;
	return err_reason(e, REASON_ROOT_CHAIN,
			  "root: %u of %u root keys of the %s root, version "
			  "%" PRIu32 ", signed",
			  t.count, t.threshold, which, root->head.version);
}

int trust_open_next_root(const struct doc_root *held,
			 const struct envelope *env, struct doc **ret,
			 struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	int r;

	r = check_root_step(held, "old", env, e);
	if (r < 0)
		return r;
	r = parse_root_document(env, &doc, e);
	if (r < 0)
		return r;
	r = check_same_org(held, doc, e);
	if (r < 0)
		return r;
	if (doc->head.version != held->head.version + 1)
		return err_reason(e, REASON_ROOT_CHAIN,
				  "root: version %" PRIu32
				  " does not follow %" PRIu32,
				  doc->head.version, held->head.version);
	r = check_root_step(doc_as_root(doc), "new", env, e);
	if (r < 0)
		return r;
	*ret = steal(doc);
	return 0;
}
