/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/documents/root_draft.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/trust/root_impact.h"
#include "cellsadm/trust/signing.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/ui/diff.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DAYS_DEFAULT 365
#define DAY 86400

struct root_opts {
	const char *org, *from, *out, *recovery;
	struct opt_list key, remove_key, role, ca, remove_ca, to;
	uint64_t days;
	bool from_server;
};

typedef int root_change_fn(struct root_draft *d, const char *spec,
			   struct err *e);

static int apply_option_list(struct root_draft *d, const struct opt_list *l,
			     root_change_fn *fn, struct err *e)
{
	for (unsigned int i = 0; i < l->n; i++) {
		int r = fn(d, l->item[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int add_root_ca(struct root_draft *d, const char *spec, struct err *e)
{
	return root_draft_update_ca(d, spec, false, e);
}

static int remove_root_ca(struct root_draft *d, const char *spec, struct err *e)
{
	return root_draft_update_ca(d, spec, true, e);
}

/* The director's key and the CA, as the server has them. */
static int add_server_director(struct adm *a, struct root_draft *d,
			       struct err *e)
{
	auto_json json_t *j = NULL;
	auto_free void *der = NULL;
	const char *spki, *ca;
	size_t len;
	int r = remote_get(a, REMOTE_PATH("server"), &j, e);

	if (r < 0)
		return r;
	spki = json_string_value(
		json_object_get(json_object_get(j, "director"), "spki"));
	ca = json_string_value(json_object_get(j, "ca_sha256"));
	if (!spki || !ca ||
	    encoding_from_base64(spki, strlen(spki), &der, &len) < 0)
		return err_set(e, EBADMSG,
			       "the server gave no director key and CA");
	r = root_draft_add_key(d, "director", der, len, e);
	if (r >= 0)
		r = root_draft_set_role(d, a, "director=director:1", e);
	return r < 0 ? r : root_draft_update_ca(d, ca, false, e);
}

static int apply_root_options(struct adm *a, struct root_draft *d,
			      const struct root_opts *o, struct err *e)
{
	int r = 0;

	d->issued = clock_wall();
	d->expires =
		d->issued + (int64_t)(o->days ? o->days : DAYS_DEFAULT) * DAY;
	for (unsigned int i = 0; r >= 0 && i < o->key.n; i++)
		r = root_draft_add_key_file(d, a, o->key.item[i], e);
	if (r >= 0 && o->from_server)
		r = add_server_director(a, d, e);
	for (unsigned int i = 0; r >= 0 && i < o->role.n; i++)
		r = root_draft_set_role(d, a, o->role.item[i], e);
	if (r >= 0)
		r = apply_option_list(d, &o->remove_key, root_draft_remove_key,
				      e);
	if (r >= 0)
		r = apply_option_list(d, &o->ca, add_root_ca, e);
	if (r >= 0)
		r = apply_option_list(d, &o->remove_ca, remove_root_ca, e);
	if (r >= 0 && o->recovery)
		r = root_draft_set_recovery(d, a, o->recovery, e);
	return r;
}

/* Writes the draft; a following version is shown against the one before. */
static int write_root_draft(struct adm *a, const struct root_draft *d,
			    const struct envelope *before, const char *out,
			    struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_free char *xml = NULL;
	int r = root_draft_build_xml(d, &xml, e);

	if (r >= 0)
		r = doc_parse(DOC_ROOT, xml, strlen(xml), &doc, e);
	if (r < 0)
		return r;
	if (before)
		root_impact_try_report(a, doc_as_root(doc));
	if (before)
		diff_write(stderr, before->payload, before->payload_len, xml,
			   strlen(xml), isatty(STDERR_FILENO));
	return adm_write_output(out, xml, e);
}

static int load_previous_root(struct root_draft *d, const char *path,
			      struct envelope **ret, struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	int r = doc_file_read(path, ret, &doc, e);

	if (r < 0)
		return r;
	if (doc->head.type != DOC_ROOT)
		return err_set(e, EINVAL, "%s: no root document", path);
	return root_draft_load_previous(d, doc_as_root(doc), e);
}

static int verb_root_new(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	const struct root_opts *o = opts;
	AUTO(root_draft_fini) struct root_draft d = { .version = 1 };
	AUTO(envelope_freep) struct envelope *before = NULL;
	int r = 0;

	if (!o->org == !o->from)
		return err_usage(
			e, "use --org for a first root, or --from for the "
			   "version after one");
	if (o->org && !encoding_is_valid_id(o->org))
		return err_usage(e, "--org %s: not an id", o->org);
	if (o->org)
		snprintf(d.org, sizeof(d.org), "%s", o->org);
	else
		r = load_previous_root(&d, o->from, &before, e);
	if (r >= 0)
		r = apply_root_options(a, &d, o, e);
	return r < 0 ? r : write_root_draft(a, &d, before, o->out, e);
}

static int verb_root_add_key(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	const struct root_opts *o = opts;
	AUTO(root_draft_fini) struct root_draft d = { 0 };
	AUTO(envelope_freep) struct envelope *before = NULL;
	auto_free char *name = strndup(argv[1], strcspn(argv[1], "="));
	int r = name ? load_previous_root(&d, argv[0], &before, e)
		     : err_oom(e, argv[1]);

	if (r >= 0)
		r = root_draft_add_key_file(&d, a, argv[1], e);
	for (unsigned int i = 0; r >= 0 && i < o->to.n; i++)
		r = root_draft_grant_role(&d, o->to.item[i], name, e);
	if (r >= 0)
		r = apply_root_options(a, &d, o, e);
	return r < 0 ? r : write_root_draft(a, &d, before, o->out, e);
}

static int verb_root_sign(void *context, const void *opts, char **argv,
			  struct err *e)
{
	struct adm *a = context;
	AUTO(keyring_fini) struct keyring ring = { 0 };
	const struct root_opts *o = opts;
	const struct signing_options s = { .out = o->out };
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	int r = doc_file_read(argv[0], &env, &doc, e);

	if (r >= 0 && doc->head.type != DOC_ROOT)
		r = err_set(e, EINVAL, "%s: no root document", argv[0]);
	if (r >= 0)
		root_impact_try_report(a, doc_as_root(doc));
	if (r >= 0)
		r = keyring_open(a, &ring, e);
	return r < 0 ? r : signing_sign_file(a, &s, &ring, argv[0], e);
}

static json_t *build_key_rows(const struct doc_root *root)
{
	json_t *rows = json_array();

	for (unsigned int i = 0; i < root->n_keys; i++) {
		json_t *roles = json_array();

		for (unsigned int r = 0; r < DOC_ROLE_COUNT; r++)
			if (root->role[r].members >> i & 1)
				json_array_append_new(
					roles, json_string(doc_role_name(
						       (enum doc_role)r)));
		json_array_append_new(
			rows, json_pack("{ss ss so}", "name", root->key[i].name,
					"keyid", key_id(root->key[i].key),
					"roles", roles));
	}
	return rows;
}

static json_t *build_roles_object(const struct doc_root *root)
{
	json_t *roles = json_object();

	for (unsigned int r = 0; r < DOC_ROLE_COUNT; r++) {
		json_t *names = json_array();

		for (unsigned int i = 0; i < root->n_keys; i++)
			if (root->role[r].members >> i & 1)
				json_array_append_new(
					names, json_string(root->key[i].name));
		json_object_set_new(roles, doc_role_name((enum doc_role)r),
				    json_pack("{si so}", "threshold",
					      root->role[r].threshold, "keys",
					      names));
	}
	return roles;
}

static int print_root_json(const struct doc_root *root, struct err *e)
{
	char digest[ENCODING_DIGEST_SIZE], issued[ENCODING_TIME_SIZE];
	char expires[ENCODING_TIME_SIZE];
	auto_json json_t *j = NULL;

	encoding_format_digest(root->head.digest, digest);
	encoding_format_time(root->head.issued, issued);
	encoding_format_time(root->head.expires, expires);
	j = json_pack("{ss si ss ss ss so so}", "org", root->head.org,
		      "version", root->head.version, "sha256", digest, "issued",
		      issued, "expires", expires, "keys", build_key_rows(root),
		      "roles", build_roles_object(root));
	if (!j)
		return err_oom(e, "show the root");
	adm_print_json(j);
	return 0;
}

static int print_root_table(const struct adm *a, const struct doc_root *root,
			    struct err *e)
{
	static const struct table_column columns[] = { { "KEY", "name" },
						       { "KEYID", "keyid",
							 TABLE_DIGEST },
						       { "ROLES", "roles" },
						       { NULL } };
	char digest[ENCODING_DIGEST_SIZE], expires[ENCODING_TIME_SIZE];
	auto_json json_t *rows = build_key_rows(root);

	encoding_format_digest(root->head.digest, digest);
	encoding_format_time(root->head.expires, expires);
	printf("root of %s, version %u, until %s\n%s\n\n", root->head.org,
	       root->head.version, expires, digest);
	for (unsigned int r = 0; r < DOC_ROLE_COUNT; r++)
		if (root->role[r].threshold)
			printf("%-9s %u of %d\n",
			       doc_role_name((enum doc_role)r),
			       root->role[r].threshold,
			       __builtin_popcountll(root->role[r].members));
	printf("\n");
	return adm_print_rows(a, columns, rows, e);
}

static int verb_root_show(void *context, const void *opts, char **argv,
			  struct err *e)
{
	struct adm *a = context;
	const struct doc_root *root;
	int r;

	if (argv[0])
		a->root_option = argv[0];
	r = trust_root_get(a, true, &root, e);
	if (r < 0)
		return r;
	return a->json ? print_root_json(root, e)
		       : print_root_table(a, root, e);
}

/* Nobody finds out afterwards that the fleet's documents are proposals. */
static int confirm_root_impact(struct adm *a, const struct doc_root *next,
			       struct err *e)
{
	unsigned int lost;
	char question[120];
	int r;

	if (next->head.version < 2)
		return 0;
	r = root_impact_report(a, next, &lost, e);
	if (r < 0 || lost == 0)
		return r;
	snprintf(question, sizeof(question),
		 "%u documents in force turn into proposals. Submit this root",
		 lost);
	return adm_confirm(a, question, e);
}

static int verb_root_submit(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	static const struct table_column columns[] = {
		{ "TYPE", "type" },
		{ "VERSION", "version" },
		{ "STATE", "state" },
		{ "SIGNERS", "signers", TABLE_NAMES },
		{ "NEEDED", "threshold" },
		{ NULL }
	};
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_json json_t *body = NULL, *answer = NULL;
	auto_free char *text = NULL;
	int r = doc_file_read(argv[0], &env, &doc, e);

	if (r >= 0 && doc->head.type != DOC_ROOT)
		r = err_set(e, EINVAL, "%s: no root document", argv[0]);
	if (r >= 0)
		r = confirm_root_impact(a, doc_as_root(doc), e);
	if (r >= 0)
		r = envelope_text(env, &text, e);
	if (r >= 0)
		r = json_parse(text, strlen(text), argv[0], &body, e);
	if (r >= 0)
		r = remote_send(a, "POST", REMOTE_PATH("roots"), body, &answer,
				e);
	return r < 0 ? r : adm_print_object(a, columns, answer, e);
}

#define OPT(member, name, letter, kind, arg, help)                             \
	VERB_OPT(struct root_opts, member, name, letter, kind, arg, help)
#define CHANGE_OPTS                                                            \
	OPT(role, "role", 0, OPT_LIST, "ROLE=NAME,...:N",                      \
	    "who has the role, and how many must sign"),                       \
		OPT(remove_key, "remove-key", 0, OPT_LIST, "NAME",             \
		    "take a key out of the root"),                             \
		OPT(ca, "ca", 0, OPT_LIST, "FILE",                             \
		    "CA of devices and server: PEM, or sha256:HEX"),           \
		OPT(remove_ca, "remove-ca", 0, OPT_LIST, "FILE",               \
		    "take a CA out"),                                          \
		OPT(recovery, "recovery", 0, OPT_STRING, "KEY",                \
		    "public key of the recovery keyslots"),                    \
		OPT(days, "days", 0, OPT_NUMBER, "N",                          \
		    "expires after so many; 365"),                             \
		OPT(out, "out", 'o', OPT_STRING, "FILE",                       \
		    "instead of the terminal")

static const struct opt new_opts[] = {
	OPT(org, "org", 0, OPT_STRING, "ID", "the organisation: a first root"),
	OPT(from, "from", 0, OPT_STRING, "FILE", "the version before"),
	OPT(key, "key", 'k', OPT_LIST, "NAME=FILE",
	    "a public key: PEM or key file"),
	OPT(from_server, "from-server", 0, OPT_FLAG, NULL,
	    "director's key and CA as the server has them"),
	CHANGE_OPTS,
	{ NULL },
};
static const struct opt add_key_opts[] = {
	OPT(to, "to", 0, OPT_LIST, "ROLE", "a role for the new key"),
	CHANGE_OPTS,
	{ NULL },
};
static const struct opt sign_opts[] = {
	OPT(out, "out", 'o', OPT_STRING, "FILE", "the envelope"),
	{ NULL },
};

const struct verb verb_root_table[] = {
	{ "new", "", 0, 0, "write a root document, or the next one",
	  VERB_SERVER, new_opts, sizeof(struct root_opts), verb_root_new },
	{ "add-key", "ROOT NAME=FILE", 2, 2,
	  "write the next root, with one key more", 0, add_key_opts,
	  sizeof(struct root_opts), verb_root_add_key },
	{ "sign", "FILE", 1, 1, "sign a root document",
	  VERB_KEYS | VERB_YES | VERB_SERVER | VERB_ROOT, sign_opts,
	  sizeof(struct root_opts), verb_root_sign },
	{ "show", "[FILE]", 0, 1, "keys, roles and thresholds",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_root_show },
	{ "submit", "FILE", 1, 1, "bring a signed root to the server",
	  VERB_SERVER | VERB_FORMAT | VERB_YES, NULL, 0, verb_root_submit },
	{ NULL },
};
