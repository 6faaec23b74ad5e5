/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/trust_root.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/state.h"
#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/document/trust.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int read_root_file(const char *path, struct doc **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, ENVELOPE_MAX, &text, &len, e);

	if (r < 0)
		return r;
	if (text[strspn(text, " \t\r\n")] != '{')
		return doc_parse(DOC_ROOT, text, len, ret, e);
	r = envelope_parse(text, len, &env, e);
	if (r < 0)
		return r;
	if (doc_type_from_payload_type(env->type) != DOC_ROOT)
		return err_set(e, EINVAL, "%s: no root document", path);
	return doc_parse(DOC_ROOT, env->payload, env->payload_len, ret, e);
}

/* Walks the chain from the pinned digest. */
static int follow_root_chain(const struct admin_config *c, const json_t *chain,
			     struct doc **ret, struct err *e)
{
	AUTO(doc_freep) struct doc *held = NULL;
	const json_t *j;
	size_t i;

	json_array_foreach (chain, i, j) {
		AUTO(envelope_freep) struct envelope *env = NULL;
		AUTO(doc_freep) struct doc *next = NULL;
		int r = envelope_from_json(j, &env, e);

		if (r >= 0 && !held)
			r = trust_open_pinned_root(env, c->root, &next, e);
		else if (r >= 0)
			r = trust_open_next_root(doc_as_root(held), env, &next,
						 e);
		if (r < 0)
			return r;
		doc_free(held);
		held = steal(next);
	}
	if (!held)
		return err_set(e, ENOENT, "server '%s' has no root yet",
			       c->name);
	*ret = steal(held);
	return 0;
}

static int format_roots_name(const char *server, char **ret, struct err *e)
{
	if (asprintf(ret, "roots/%s.json", server) < 0)
		return err_oom(e, server);
	return 0;
}

/* The envelopes of roots in force as the server has them, version 1 first. */
static int fetch_root_chain(struct adm *a, json_t **ret, struct err *e)
{
	auto_json json_t *items = NULL, *chain = json_array();
	const json_t *item;
	size_t i;
	int r = remote_list(a, REMOTE_PATH("roots"), 0, &items, e);

	if (r < 0)
		return r;
	json_array_foreach (items, i, item) {
		const char *state =
			json_string_value(json_object_get(item, "state"));
		json_t *env = json_object_get(item, "envelope");

		if (state && strcmp(state, "proposed") == 0)
			continue;
		if (env && json_array_append(chain, env) < 0)
			return err_oom(e, "read the roots");
	}
	*ret = steal(chain);
	return 0;
}

/*
 * What is kept and what the server has now; a server that shows fewer roots
 * than it did, or others, is not followed.
 */
static int load_server_root(struct adm *a, bool ask, struct doc **ret,
			    struct err *e)
{
	AUTO(doc_freep) struct doc *held = NULL, *served = NULL;
	auto_json json_t *kept = NULL, *chain = NULL;
	const struct admin_config *c;
	auto_free char *name = NULL;
	int r = adm_get_server(a, &c, e);

	if (r < 0)
		return r;
	if (!c->has_root)
		return err_set(e, ENOENT,
			       "server '%s': no root is pinned (cellsadm "
			       "server add --root FILE)",
			       c->name);
	r = format_roots_name(c->name, &name, e);
	if (r < 0)
		return r;
	if (state_load(a, name, &kept, e) == 0) {
		r = follow_root_chain(c, kept, &held, e);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	if (!ask && held) {
		*ret = steal(held);
		return 0;
	}
	if (!ask)
		return err_set(e, ENOENT, "no root of server '%s' is kept here",
			       c->name);
	r = fetch_root_chain(a, &chain, e);
	if (r >= 0)
		r = follow_root_chain(c, chain, &served, e);
	if (r < 0)
		return r;
	if (held && served->head.version < held->head.version)
		return err_reason(e, REASON_ROLLBACK,
				  "server '%s' shows root version %u, %u is "
				  "kept here",
				  c->name, served->head.version,
				  held->head.version);
	if (!held || served->head.version > held->head.version) {
		r = state_save(a, name, chain, e);
		if (r < 0)
			return r;
	}
	*ret = steal(served);
	return 0;
}

int trust_root_get(struct adm *a, bool ask, const struct doc_root **ret,
		   struct err *e)
{
	struct doc **cached = ask ? &a->root : &a->kept_root;
	int r = 0;

	if (!*cached)
		r = a->root_option ? read_root_file(a->root_option, cached, e)
				   : load_server_root(a, ask, cached, e);
	if (r < 0)
		return r;
	*ret = doc_as_root(*cached);
	return 0;
}

const struct doc_root *trust_root_get_or_null(struct adm *a)
{
	const struct doc_root *root;
	struct err e;

	return trust_root_get(a, false, &root, &e) < 0 ? NULL : root;
}

int trust_root_remove(struct adm *a, const char *server, struct err *e)
{
	auto_free char *path = NULL, *name = NULL;
	int r;

	if (asprintf(&name, "state/roots/%s.json", server) < 0)
		return err_oom(e, server);
	r = adm_prepare_path(a, name, &path, e);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove %s", path);
	return 0;
}

int trust_root_save_first(struct adm *a, const char *server,
			  const struct envelope *env, struct err *e)
{
	auto_free char *text = NULL, *name = NULL;
	auto_json json_t *j = NULL, *chain = NULL;
	int r = envelope_text(env, &text, e);

	if (r >= 0)
		r = json_parse(text, strlen(text), "the root", &j, e);
	if (r >= 0)
		r = format_roots_name(server, &name, e);
	if (r < 0)
		return r;
	chain = json_pack("[O]", j);
	if (!chain)
		return err_oom(e, server);
	return state_save(a, name, chain, e);
}

int trust_root_open_document(const struct doc_root *root,
			     const struct envelope *env, struct doc **ret,
			     struct threshold_result *ret_signers,
			     struct err *e)
{
	struct err ignored;

	if (doc_type_from_payload_type(env->type) != DOC_ROOT)
		return trust_open(root, env, ret, ret_signers, e);
	if (ret_signers)
		threshold_check_role(root, DOC_ROLE_ROOT, env, ret_signers,
				     &ignored);
	if (memcmp(env->digest, root->head.digest, HASH_SIZE) == 0)
		return trust_open_pinned_root(env, root->head.digest, ret, e);
	return trust_open_next_root(root, env, ret, e);
}

int trust_root_fetch_document(struct adm *a, const char *sha256,
			      struct envelope **ret, struct doc **ret_doc,
			      struct threshold_result *ret_signers,
			      struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_json json_t *j = NULL;
	const struct doc_root *root;
	char digest[ENCODING_DIGEST_SIZE];
	int r = trust_root_get(a, true, &root, e);

	if (r >= 0)
		r = remote_get(a, REMOTE_PATH("documents", sha256, "envelope"),
			       &j, e);
	if (r >= 0)
		r = envelope_from_json(j, &env, e);
	if (r < 0)
		return r;
	encoding_format_digest(env->digest, digest);
	if (strcmp(digest, sha256) != 0)
		return err_reason(e, REASON_MIX_AND_MATCH,
				  "the server answered %s with another "
				  "document",
				  sha256);
	r = trust_root_open_document(root, env, &doc, ret_signers, e);
	if (r < 0)
		return r;
	*ret = steal(env);
	if (ret_doc)
		*ret_doc = steal(doc);
	return 0;
}

int trust_root_get_org(struct adm *a, const char *option, const char **ret,
		       struct err *e)
{
	const struct doc_root *root = option ? NULL : trust_root_get_or_null(a);

	if (!option && !root)
		return err_set(e, ENOENT,
			       "the organisation is not known: use --org");
	*ret = option ? option : root->head.org;
	return 0;
}
