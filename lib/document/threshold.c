/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/threshold.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/err.h"

#include <stdio.h>
#include <string.h>

#define ROLE_BIT(role) (1U << (role))

/* The roles that a payloadType may be signed by, a bit each; 0: there is none.
 */
static unsigned int get_signing_roles(const char *payload_type)
{
	static const unsigned int by_doc[DOC_TYPE_COUNT] = {
		[DOC_ROOT] = ROLE_BIT(DOC_ROLE_ROOT),
		[DOC_GROUP] = ROLE_BIT(DOC_ROLE_POLICY),
		[DOC_MEMBERSHIP] = ROLE_BIT(DOC_ROLE_POLICY),
		[DOC_VP_CONFIG] = ROLE_BIT(DOC_ROLE_POLICY),
		[DOC_DEVICE_POLICY] = ROLE_BIT(DOC_ROLE_POLICY),
		[DOC_IMAGE] = ROLE_BIT(DOC_ROLE_IMAGE),
		[DOC_COMMAND] =
			ROLE_BIT(DOC_ROLE_COMMAND) | ROLE_BIT(DOC_ROLE_DESTROY),
	};
	static const char *const by_director[] = {
		ENVELOPE_TYPE_JSON("snapshot"),
		ENVELOPE_TYPE_JSON("tree-head"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(by_director); i++)
		if (strcmp(payload_type, by_director[i]) == 0)
			return ROLE_BIT(DOC_ROLE_DIRECTOR);
	return by_doc[doc_type_from_payload_type(payload_type)];
}

/* The bit of the key with that id among `members`; 0: there is none. */
static uint64_t find_member_key(const struct doc_root *root, uint64_t members,
				const char *keyid, unsigned int *ret_index)
{
	for (unsigned int i = 0; i < root->n_keys; i++) {
		if (!(members >> i & 1) ||
		    strcmp(key_id(root->key[i].key), keyid) != 0)
			continue;
		*ret_index = i;
		return UINT64_C(1) << i;
	}
	return 0;
}

/* Verifies what is by one of `members`, each key until it has signed once. */
static struct threshold_tally verify_signatures(const struct doc_root *root,
						uint64_t members,
						const struct envelope *env)
{
	struct threshold_tally t = { 0 };

	for (unsigned int i = 0; i < env->n_signatures; i++) {
		const struct envelope_signature *s = &env->signature[i];
		unsigned int index = 0;
		uint64_t bit = find_member_key(root, members, s->keyid, &index);

		t.known |= bit;
		if (!bit || t.valid & bit)
			continue;
		if (key_verify(root->key[index].key, env->pae_digest, s->sig,
			       s->sig_len) == 0)
			t.valid |= bit;
	}
	return t;
}

/* Has the tally the role's threshold? REASON_NONE, or why not. */
static enum reason check_threshold(const struct doc_root *root,
				   enum doc_role role,
				   const struct threshold_tally *t,
				   struct threshold_result *ret)
{
	uint64_t members = root->role[role].members;

	ret->signers = t->valid & members;
	ret->count = (unsigned int)__builtin_popcountll(ret->signers);
	ret->threshold = root->role[role].threshold;
	/* A root that says nothing of a role gives it to nobody. */
	if (!(t->known & members) || ret->threshold == 0)
		return REASON_UNKNOWN_KEY;
	if (ret->count == 0)
		return REASON_SIGNATURE;
	return ret->count < ret->threshold ? REASON_THRESHOLD : REASON_NONE;
}

static int report_threshold(enum reason why, enum doc_role role,
			    const char *type, const struct threshold_result *t,
			    struct err *e)
{
	const char *name = doc_role_name(role);

	switch (why) {
	case REASON_NONE:
		return 0;
	case REASON_UNKNOWN_KEY:
		return err_reason(e, why,
				  "%s: no signature is by a key of role '%s'",
				  type, name);
	case REASON_SIGNATURE:
		return err_reason(e, why,
				  "%s: no signature by a key of role '%s' "
				  "verifies",
				  type, name);
	default:
		return err_reason(e, why,
				  "%s: %u of %u keys of role '%s' signed", type,
				  t->count, t->threshold, name);
	}
}

int threshold_check_tally(const struct doc_root *root, enum doc_role role,
			  const struct envelope *env,
			  const struct threshold_tally *t,
			  struct threshold_result *ret, struct err *e)
{
	struct threshold_result result;
	enum reason why = check_threshold(root, role, t, &result);

	if (ret)
		*ret = result;
	return report_threshold(why, role, env->type, &result, e);
}

int threshold_check_role(const struct doc_root *root, enum doc_role role,
			 const struct envelope *env,
			 struct threshold_result *ret, struct err *e)
{
	struct threshold_tally t =
		verify_signatures(root, root->role[role].members, env);

	return threshold_check_tally(root, role, env, &t, ret, e);
}

/* How near a role's threshold one came: the nearest role is reported. */
static unsigned int rank_threshold_reason(enum reason why)
{
	switch (why) {
	case REASON_NONE:
		return 3;
	case REASON_THRESHOLD:
		return 2;
	case REASON_SIGNATURE:
		return 1;
	default:
		return 0;
	}
}

int threshold_check(const struct doc_root *root, const struct envelope *env,
		    struct threshold_tally *ret_tally,
		    struct threshold_result *ret, struct err *e)
{
	unsigned int roles = get_signing_roles(env->type);
	enum reason best = REASON_UNKNOWN_KEY;
	enum doc_role best_role = DOC_ROLE_COUNT;
	struct threshold_result result = { 0 };
	struct threshold_tally t;
	uint64_t members = 0;

	if (ret)
		*ret = result;
	if (!roles)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: payloadType '%s' is signed by no "
				  "role",
				  env->type);
	for (unsigned int r = 0; r < DOC_ROLE_COUNT; r++)
		if (roles & ROLE_BIT(r))
			members |= root->role[r].members;
	t = verify_signatures(root, members, env);
	if (ret_tally)
		*ret_tally = t;
	for (unsigned int r = 0; r < DOC_ROLE_COUNT; r++) {
		struct threshold_result one;
		enum reason why;

		if (!(roles & ROLE_BIT(r)))
			continue;
		why = check_threshold(root, r, &t, &one);
		if (best_role != DOC_ROLE_COUNT &&
		    rank_threshold_reason(why) <= rank_threshold_reason(best))
			continue;
		best = why;
		best_role = r;
		result = one;
	}
	if (ret)
		*ret = result;
	return report_threshold(best, best_role, env->type, &result, e);
}

void threshold_names(const struct doc_root *root, uint64_t signers, char *ret,
		     size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (unsigned int i = 0; i < root->n_keys && used < size; i++) {
		int n;

		if (!(signers >> i & 1))
			continue;
		n = snprintf(ret + used, size - used, "%s%s", used ? ", " : "",
			     root->key[i].name);
		used += n > 0 ? (size_t)n : 0;
	}
}
