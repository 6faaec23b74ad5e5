/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/password_proof.h"

#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/state.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/ui/prompt.h"
#include "lib/auto.h"
#include "lib/crypto/password_crypto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>

#define VERSIONS_MAX 256

struct password_list {
	char *item[OPT_LIST_MAX];
	unsigned int n;
	bool asked;
};

static void password_list_fini(struct password_list *p)
{
	while (p->n > 0)
		prompt_free(p->item[--p->n]);
}

static int read_password_files(const struct password_proof_request *rq,
			       struct password_list *p, struct err *e)
{
	for (unsigned int i = 0; i < rq->password_files->n; i++) {
		int r = prompt_read_file(rq->password_files->item[i], false,
					 &p->item[p->n], e);

		if (r < 0)
			return r;
		p->n++;
	}
	return 0;
}

/* One question for all versions; --config-password-file replaces it. */
static int ask_password_once(struct password_list *p, const char *id,
			     struct err *e)
{
	char what[96];
	int r;

	if (p->n > 0 || p->asked)
		return 0;
	p->asked = true;
	snprintf(what, sizeof(what), "the config '%s'", id);
	r = prompt_password(what, false, &p->item[0], e);
	if (r == -ENXIO)
		return err_set(e, ENXIO,
			       "config '%s' is protected: its password is "
			       "needed (--config-password-file)",
			       id);
	if (r >= 0)
		p->n = 1;
	return r;
}

/* Does the password fit the old version? Then its key. */
static int derive_old_key(const struct doc_vp_config *old, const char *password,
			  struct password_crypto_key *ret, struct err *e)
{
	uint8_t verifier[HASH_SIZE];
	int r = password_crypto_derive_key(password, old->salt, old->salt_len,
					   old->iterations, ret, e);

	if (r < 0)
		return r;
	password_crypto_verifier(ret, verifier);
	return hash_compare(verifier, old->verifier, HASH_SIZE) == 0 ? 0
								     : -EACCES;
}

static int add_version_proof(struct envelope *env,
			     const uint8_t digest[HASH_SIZE],
			     const struct password_crypto_key *k, struct err *e)
{
	struct envelope_proof proof;
	char over[ENCODING_DIGEST_SIZE];
	auto_free void *pae = NULL;
	size_t len;
	int r = envelope_pae(env->type, env->payload, env->payload_len, &pae,
			     &len, e);

	if (r < 0)
		return r;
	encoding_format_digest(digest, over);
	memcpy(proof.over, digest, HASH_SIZE);
	password_crypto_make_proof(k, over, pae, len, proof.mac);
	return envelope_add_proof(env, &proof, e);
}

static bool has_version_proof(const struct envelope *env,
			      const uint8_t digest[HASH_SIZE])
{
	for (unsigned int i = 0; i < env->n_proofs; i++)
		if (memcmp(env->proof[i].over, digest, HASH_SIZE) == 0)
			return true;
	return false;
}

/*
 * A proof reveals the old key to a holder of the old config, so the new one
 * must not be protected by the same.
 */
static int check_salt_reuse(const struct doc_vp_config *old,
			    const struct doc_vp_config *config, struct err *e)
{
	if (!config->is_protected || old->salt_len != config->salt_len ||
	    memcmp(old->salt, config->salt, old->salt_len) != 0)
		return 0;
	return err_set(
		e, EINVAL,
		"config '%s' version %u has the salt of version %u, whose "
		"proof would open it: make it with cellsadm doc next",
		config->head.id, config->head.version, old->head.version);
}

static int prove_old_version(struct envelope *env,
			     const struct doc_vp_config *config,
			     const struct doc *old_doc, struct password_list *p,
			     struct err *e)
{
	const struct doc_vp_config *old = doc_as_vp_config(old_doc);
	const uint8_t *digest = old_doc->head.digest;
	int r;

	if (!old->is_protected || memcmp(digest, env->digest, HASH_SIZE) == 0)
		return 0;
	r = check_salt_reuse(old, config, e);
	if (r < 0 || has_version_proof(env, digest))
		return r;
	r = ask_password_once(p, old_doc->head.id, e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < p->n; i++) {
		AUTO(password_crypto_wipe_key) struct password_crypto_key k;

		r = derive_old_key(old, p->item[i], &k, e);
		if (r == -EACCES)
			continue;
		return r < 0 ? r : add_version_proof(env, digest, &k, e);
	}
	log_warning("no proof for version %u: its password is another one",
		    old_doc->head.version);
	return 0;
}

static int prove_local_versions(struct adm *a, struct envelope *env,
				const struct doc_vp_config *config,
				struct password_list *p, struct err *e)
{
	uint32_t versions[VERSIONS_MAX];
	unsigned int n = state_list_signed_versions(a, &config->head, versions,
						    VERSIONS_MAX);

	for (unsigned int i = 0; i < n; i++) {
		AUTO(doc_freep) struct doc *old = NULL;
		auto_free char *xml = NULL;
		size_t len;
		int r;

		if (versions[i] >= config->head.version)
			break;
		r = state_load_signed(a, &config->head, versions[i], &xml, &len,
				      e);
		if (r >= 0)
			r = doc_parse(DOC_VP_CONFIG, xml, len, &old, e);
		if (r >= 0)
			r = prove_old_version(env, config, old, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * What devices may hold of other administrators' making: every signed version
 * that the server has, verified by the root. Without an answer there is a note,
 * since a device that holds one would refuse.
 */
static int prove_server_versions(struct adm *a, struct envelope *env,
				 const struct doc_vp_config *config,
				 struct password_list *p, struct err *e)
{
	auto_json json_t *items = NULL;
	const json_t *item;
	struct err why;
	char filter[160];
	size_t i;

	if (config->head.version < 2 || !adm_get_server_or_null(a))
		return 0;
	snprintf(filter, sizeof(filter),
		 "type eq vp-config and id eq %s and version lt %u",
		 config->head.id, config->head.version);
	if (remote_list(a, REMOTE_PATH("documents", "?", "filter", filter), 0,
			&items, &why) < 0) {
		log_warning("no proofs for versions at the server: %s",
			    why.text);
		return 0;
	}
	json_array_foreach (items, i, item) {
		AUTO(envelope_freep) struct envelope *old_env = NULL;
		AUTO(doc_freep) struct doc *old = NULL;
		const char *sha256 =
			json_string_value(json_object_get(item, "sha256"));
		int r;

		/* Below its threshold no device has it. */
		if (!sha256 ||
		    trust_root_fetch_document(a, sha256, &old_env, &old, NULL,
					      &why) < 0 ||
		    old->head.type != DOC_VP_CONFIG)
			continue;
		r = prove_old_version(env, config, old, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int password_proof_add(struct adm *a, const struct password_proof_request *rq,
		       struct envelope *env, const struct doc_vp_config *config,
		       struct err *e)
{
	AUTO(password_list_fini) struct password_list p = { 0 };
	int r = read_password_files(rq, &p, e);

	for (unsigned int i = 0; r >= 0 && i < rq->older->n; i++) {
		AUTO(envelope_freep) struct envelope *old_env = NULL;
		AUTO(doc_freep) struct doc *old = NULL;

		r = doc_file_read(rq->older->item[i], &old_env, &old, e);
		if (r < 0)
			return r;
		if (old->head.type != DOC_VP_CONFIG ||
		    strcmp(old->head.id, config->head.id) != 0)
			return err_set(e, EINVAL, "%s: not a vp-config '%s'",
				       rq->older->item[i], config->head.id);
		r = prove_old_version(env, config, old, &p, e);
	}
	if (r >= 0)
		r = prove_local_versions(a, env, config, &p, e);
	return r < 0 || rq->offline
		       ? r
		       : prove_server_versions(a, env, config, &p, e);
}
