/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/trust/signing.h"

#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/trust/password_proof.h"
#include "cellsadm/trust/state.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/ui/diff.h"
#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Commands and memberships are made once; they have no version before. */
static bool has_version_history(enum doc_type t)
{
	return t != DOC_COMMAND && t != DOC_MEMBERSHIP;
}

/*
 * Two documents with one version would make devices that hold one refuse the
 * other, so that takes more than a "y".
 */
static int check_version_reuse(struct adm *a, const struct envelope *env,
			       const struct doc_head *h, bool again,
			       struct err *e)
{
	auto_free char *before = NULL;
	struct err ignored;
	size_t len;

	if (again ||
	    state_load_signed(a, h, h->version, &before, &len, &ignored) < 0)
		return 0;
	if (len == env->payload_len && memcmp(before, env->payload, len) == 0)
		return 0;
	return err_reason(e, REASON_EQUIVOCATION,
			  "%s %s version %u was signed here before with other "
			  "content: raise the version, or use --again if it "
			  "never left this machine",
			  doc_type_name(h->type), h->id, h->version);
}

int signing_confirm(struct adm *a, const struct envelope *env,
		    const struct doc *doc, bool again, struct err *e)
{
	const struct doc_head *h = &doc->head;
	auto_free char *before = NULL;
	struct err ignored;
	char question[200];
	size_t len = 0;
	int r;

	if (has_version_history(h->type)) {
		r = check_version_reuse(a, env, h, again, e);
		if (r < 0)
			return r;
		state_load_signed(a, h, 0, &before, &len, &ignored);
	}
	if (before)
		fprintf(stderr, "%s %s, against what was last signed here:\n",
			doc_type_name(h->type), h->id);
	else
		fprintf(stderr, "%s %s, never signed here:\n",
			doc_type_name(h->type), h->id);
	if (!diff_write(stderr, before, len, env->payload, env->payload_len,
			isatty(STDERR_FILENO)))
		fprintf(stderr, "  (the same bytes)\n");
	snprintf(question, sizeof(question), "Sign %s %s version %u",
		 doc_type_name(h->type), h->id, h->version);
	return adm_confirm(a, question, e);
}

static int choose_output_path(const struct signing_options *s, const char *path,
			      char **ret, struct err *e)
{
	size_t n = strlen(path);

	if (s->out)
		*ret = strdup(s->out);
	else if (n > 4 && strcmp(path + n - 4, ".xml") == 0)
		n = asprintf(ret, "%.*s.json", (int)n - 4, path) < 0 ? 0 : n;
	else if (n > 5 && strcmp(path + n - 5, ".json") == 0)
		*ret = strdup(path);
	else
		return err_usage(e, "%s: where to? Use --out", path);
	return *ret && n ? 0 : err_oom(e, path);
}

/* Signatures that the output file has already stay, if it is the same. */
static int merge_old_signatures(const char *path, struct envelope *env,
				struct err *e)
{
	AUTO(envelope_freep) struct envelope *old = NULL;

	if (envelope_read_file(path, &old, e) < 0)
		return 0;
	if (strcmp(old->type, env->type) != 0 ||
	    memcmp(old->digest, env->digest, HASH_SIZE) != 0)
		return 0;
	return envelope_merge(env, old, e);
}

void signing_print_signers(struct adm *a, const char *path,
			   const struct envelope *env, const struct doc *doc)
{
	const struct doc_root *root = trust_root_get_or_null(a);
	struct threshold_result signers = { 0 };
	char names[256], digest[ENCODING_DIGEST_SIZE];
	struct err e;

	encoding_format_digest(env->digest, digest);
	printf("%s: %s %s version %u, %s\n", path,
	       doc_type_name(doc->head.type), doc->head.id, doc->head.version,
	       digest);
	if (!root && doc->head.type == DOC_ROOT)
		root = doc_as_root(doc);
	if (!root) {
		printf("  %u signature%s\n", env->n_signatures,
		       env->n_signatures == 1 ? "" : "s");
		return;
	}
	if (doc->head.type == DOC_COMMAND)
		threshold_check_role(
			root, doc_action_role(doc_as_command(doc)->action), env,
			&signers, &e);
	else
		threshold_check(root, env, NULL, &signers, &e);
	threshold_names(root, signers.signers, names, sizeof(names));
	printf("  signed by %s: %u of %u\n", *names ? names : "nobody who may",
	       signers.count, signers.threshold);
}

static int write_envelope_file(const char *path, const struct envelope *env,
			       struct err *e)
{
	auto_free char *text = NULL;
	int r = envelope_text(env, &text, e);

	return r < 0 ? r : io_replace_file(path, text, strlen(text), 0644, e);
}

/* By so many signatures of the role root a device asks for no proof. */
static bool is_signed_by_root(struct adm *a, const struct envelope *env,
			      struct threshold_result *ret)
{
	const struct doc_root *root = trust_root_get_or_null(a);
	struct err ignored;

	return root && threshold_check_role(root, DOC_ROLE_ROOT, env, ret,
					    &ignored) == 0;
}

static int add_password_proofs(struct adm *a, const struct signing_options *s,
			       struct envelope *env, const struct doc *doc,
			       struct err *e)
{
	const struct password_proof_request what = {
		.older = &s->proof_for,
		.password_files = &s->config_password_files,
		.offline = s->offline,
	};
	struct threshold_result root = { 0 };
	int r;

	if (doc->head.type != DOC_VP_CONFIG)
		return 0;
	if (s->without_proof && !is_signed_by_root(a, env, &root)) {
		log_warning("%s has no proof: a device that holds a protected "
			    "version takes it only with the signatures of the "
			    "role root too (%u of %u)",
			    doc->head.id, root.count, root.threshold);
		return 0;
	}
	if (s->without_proof)
		return 0;
	r = password_proof_add(a, &what, env, doc_as_vp_config(doc), e);
	if (r == -ENXIO && is_signed_by_root(a, env, &root))
		return 0;
	return r == -ENXIO ? err_set(e, ENXIO,
				     "config '%s' is protected: its password "
				     "is needed (--config-password-file), or, "
				     "if it is lost, the signatures of the "
				     "role root (--without-proof)",
				     doc->head.id)
			   : r;
}

/* What was read is shown, signed, written, kept. */
static int sign_and_save(struct adm *a, const struct signing_options *s,
			 const struct keyring *ring, struct envelope *env,
			 const struct doc *doc, const char *out, struct err *e)
{
	int r = merge_old_signatures(out, env, e);

	if (r >= 0)
		r = signing_confirm(a, env, doc, s->again, e);
	if (r >= 0)
		r = keyring_sign_envelope(ring, env, e);
	if (r >= 0)
		r = add_password_proofs(a, s, env, doc, e);
	if (r >= 0)
		r = write_envelope_file(out, env, e);
	if (r >= 0 && has_version_history(doc->head.type))
		r = state_save_signed(a, &doc->head, env->payload,
				      env->payload_len, e);
	return r;
}

int signing_sign_file(struct adm *a, const struct signing_options *s,
		      const struct keyring *ring, const char *path,
		      struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *out = NULL;
	int r = choose_output_path(s, path, &out, e);

	if (r >= 0)
		r = doc_file_read(path, &env, &doc, e);
	if (r >= 0)
		r = sign_and_save(a, s, ring, env, doc, out, e);
	if (r >= 0)
		signing_print_signers(a, out, env, doc);
	return r;
}
