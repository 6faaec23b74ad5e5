/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/documents/revision.h"
#include "cellsadm/documents/template.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/trust/signing.h"
#include "cellsadm/trust/state.h"
#include "cellsadm/trust/trust_root.h"
#include "cellsadm/ui/diff.h"
#include "cellsadm/ui/prompt.h"
#include "cellsadm/verbs/verbs.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/display.h"
#include "lib/document/envelope.h"
#include "lib/document/threshold.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SECRETS_MAX (64 * 1024)

/* ---- new */
struct new_opts {
	struct template_options s;
	const char *out, *secrets_file, *config_password_file;
	bool protect;
};

static int read_config_password(const struct new_opts *o, char **ret,
				struct err *e)
{
	char what[96];

	if (o->config_password_file)
		return prompt_read_file(o->config_password_file, true, ret, e);
	if (!o->protect)
		return 0;
	snprintf(what, sizeof(what), "the config '%s'", o->s.id);
	return prompt_password(what, true, ret, e);
}

static int verb_doc_new(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct adm *a = context;
	const struct new_opts *o = opts;
	struct template_options s = o->s;
	AUTO(prompt_freep) char *password = NULL, *secrets = NULL;
	auto_free char *xml = NULL;
	enum doc_type t = doc_type_from_name(argv[0]);
	int r;

	if (t == DOC_NONE || t == DOC_ROOT || t == DOC_IMAGE ||
	    t == DOC_COMMAND)
		return err_set(
			e, EINVAL,
			"doc new %s: not vp-config, device-policy, group "
			"or membership (a root is made by root new, an "
			"image by cells-image, a command by vp)",
			argv[0]);
	if (!s.id)
		return err_usage(e, "doc new %s: --id is missing", argv[0]);
	s.version = s.version ? s.version : 1;
	if (!s.days)
		s.days = t == DOC_VP_CONFIG || t == DOC_DEVICE_POLICY
				 ? TEMPLATE_DAYS
				 : DOC_LIFE_MAX_DAYS;
	r = trust_root_get_org(a, s.org, &s.org, e);
	if (r >= 0)
		r = read_config_password(o, &password, e);
	if (r >= 0 && o->secrets_file)
		r = io_read_file(o->secrets_file, SECRETS_MAX, &secrets,
				 &s.secrets_len, e);
	if (r < 0)
		return r;
	s.password = password;
	s.secrets = secrets;
	r = template_build_xml(t, &s, &xml, e);
	return r < 0 ? r : adm_write_output(o->out, xml, e);
}

/* ---- next */
static int verb_doc_next(void *context, const void *opts, char **argv,
			 struct err *e)
{
	const struct new_opts *o = opts;
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	AUTO(prompt_freep) char *password = NULL;
	auto_free char *xml = NULL;
	char what[96];
	int r = doc_file_read(argv[0], &env, &doc, e);

	if (r < 0)
		return r;
	snprintf(what, sizeof(what), "the config '%s'", doc->head.id);
	if (o->config_password_file)
		r = prompt_read_file(o->config_password_file, false, &password,
				     e);
	else if (doc->head.type == DOC_VP_CONFIG &&
		 doc_as_vp_config(doc)->is_protected)
		r = prompt_password(what, false, &password, e);
	if (r >= 0)
		r = revision_build_xml(doc, env->payload, password, &xml, e);
	return r < 0 ? r : adm_write_output(o->out, xml, e);
}

/* ---- lint */
static json_t *build_lint_row(const char *path, const struct doc *doc,
			      const struct err *e)
{
	if (!doc)
		return json_pack("{ss sb ss ss}", "file", path, "valid", 0,
				 "reason", err_code(e), "text", e->text);
	return json_pack("{ss sb ss ss si}", "file", path, "valid", 1, "type",
			 doc_type_name(doc->head.type), "id", doc->head.id,
			 "version", doc->head.version);
}

static bool has_key_role(const struct doc_root *root, enum doc_role r,
			 unsigned int key)
{
	return root->role[r].members >> key & 1;
}

static void lint_key_roles(const char *path, const struct doc_root *root,
			   unsigned int key)
{
	const char *name = root->key[key].name, *first = NULL;

	for (enum doc_role r = 0; r < DOC_ROLE_COUNT; r++) {
		if (!has_key_role(root, r, key) || r == DOC_ROLE_DIRECTOR)
			continue;
		if (has_key_role(root, DOC_ROLE_DIRECTOR, key))
			fprintf(stderr,
				"%s: note: the director's key '%s', which "
				"lies on the server, has the role %s too\n",
				path, name, doc_role_name(r));
		else if (first)
			fprintf(stderr,
				"%s: note: the key '%s' has the roles %s and "
				"%s: a thief of it has both\n",
				path, name, first, doc_role_name(r));
		first = doc_role_name(r);
	}
}

static void lint_root_roles(const char *path, const struct doc_root *root)
{
	for (unsigned int i = 0; i < root->n_keys; i++)
		lint_key_roles(path, root, i);
	if (root->role[DOC_ROLE_POLICY].members ==
		    root->role[DOC_ROLE_ROOT].members &&
	    root->role[DOC_ROLE_POLICY].threshold ==
		    root->role[DOC_ROLE_ROOT].threshold)
		fprintf(stderr,
			"%s: note: root and policy have the same keys and "
			"threshold: a config password protects nothing\n",
			path);
}

/* What is valid and yet will not work as it is. */
static void print_lint_notes(const char *path, const struct doc *doc)
{
	int64_t now = clock_wall();

	if (doc->head.expires <= now)
		fprintf(stderr, "%s: note: it has expired\n", path);
	else if (doc->head.expires < now + 2 * 86400)
		fprintf(stderr, "%s: note: it expires within two days\n", path);
	if (doc->head.issued > now)
		fprintf(stderr, "%s: note: issued in the future\n", path);
	if (doc->head.type == DOC_ROOT)
		lint_root_roles(path, doc_as_root(doc));
}

static int verb_doc_lint(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	auto_json json_t *files = json_array();
	int status = 0;

	for (; *argv; argv++) {
		AUTO(envelope_freep) struct envelope *env = NULL;
		AUTO(doc_freep) struct doc *doc = NULL;
		struct err why = { 0 };

		if (doc_file_read(*argv, &env, &doc, &why) < 0)
			status = EXIT_FAILURE;
		json_array_append_new(files, build_lint_row(*argv, doc, &why));
		if (a->json)
			continue;
		if (!doc) {
			printf("%s (%s)\n", why.text, err_code(&why));
			continue;
		}
		printf("%s: ok: %s %s version %u\n", *argv,
		       doc_type_name(doc->head.type), doc->head.id,
		       doc->head.version);
		print_lint_notes(*argv, doc);
	}
	if (a->json) {
		auto_json json_t *j = json_pack("{sO}", "items", files);

		adm_print_json(j);
	}
	return status;
}

/* ---- sign */
static int verb_doc_sign(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	const struct signing_options *s = opts;
	AUTO(keyring_fini) struct keyring ring = { 0 };
	int r;

	if (s->out && argv[1])
		return err_usage(e, "--out is for one file");
	r = keyring_open(a, &ring, e);
	for (; r >= 0 && *argv; argv++)
		r = signing_sign_file(a, s, &ring, *argv, e);
	return r;
}

/* ---- verify, cat: offline */
static int verb_doc_verify(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	const struct doc_root *root;
	struct threshold_result signers = { 0 };
	char names[512], digest[ENCODING_DIGEST_SIZE];
	auto_json json_t *j = NULL;
	int r = trust_root_get(a, false, &root, e);

	if (r >= 0)
		r = doc_file_read(argv[0], &env, &doc, e);
	doc_free(steal(doc));
	if (r >= 0)
		r = trust_root_open_document(root, env, &doc, &signers, e);
	if (r < 0)
		return r;
	threshold_names(root, signers.signers, names, sizeof(names));
	encoding_format_digest(env->digest, digest);
	j = json_pack("{ss ss ss si ss ss si si si}", "file", argv[0], "type",
		      doc_type_name(doc->head.type), "id", doc->head.id,
		      "version", doc->head.version, "sha256", digest, "signers",
		      names, "signatures", (int)signers.count, "threshold",
		      (int)signers.threshold, "root", root->head.version);
	if (!j)
		return err_oom(e, argv[0]);
	if (a->json)
		adm_print_json(j);
	else
		printf("%s: %s %s version %u, %s\n  signed by %s: %u of %u, by "
		       "root version %u\n",
		       argv[0], doc_type_name(doc->head.type), doc->head.id,
		       doc->head.version, digest, names, signers.count,
		       signers.threshold, root->head.version);
	return 0;
}

static int verb_doc_cat(void *context, const void *opts, char **argv,
			struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	int r = doc_file_read(argv[0], &env, &doc, e);

	if (r < 0)
		return r;
	fwrite(env->payload, 1, env->payload_len, stdout);
	return 0;
}

/* ---- server */
static const struct table_column document_columns[] = {
	{ "TYPE", "type" },
	{ "ID", "id" },
	{ "VERSION", "version" },
	{ "STATE", "state" },
	{ "SIGNERS", "signers", TABLE_NAMES },
	{ "NEEDED", "threshold" },
	{ "EXPIRES", "expires" },
	{ "SHA256", "sha256", TABLE_DIGEST },
	{ NULL }
};

static int build_envelope_json(const struct envelope *env, json_t **ret,
			       struct err *e)
{
	auto_free char *text = NULL;
	int r = envelope_text(env, &text, e);

	return r < 0 ? r
		     : json_parse(text, strlen(text), "the envelope", ret, e);
}

/* Each type has its own door. */
static int submit_document(struct adm *a, const struct envelope *env,
			   const struct doc *doc, json_t **ret, struct err *e)
{
	auto_json json_t *body = NULL, *action = NULL;
	const char *device = NULL;
	int r = build_envelope_json(env, &body, e);

	if (r < 0)
		return r;
	if (doc->head.type == DOC_COMMAND)
		device = doc_as_command(doc)->device;
	else if (doc->head.type == DOC_MEMBERSHIP)
		device = doc_as_membership(doc)->device;
	if (!device)
		return remote_send(a, "POST",
				   doc->head.type == DOC_ROOT
					   ? REMOTE_PATH("roots")
					   : REMOTE_PATH("documents"),
				   body, ret, e);
	action = json_pack("{sO}", "envelope", body);
	return remote_send(a, "POST", REMOTE_PATH("devices", device, "actions"),
			   action, ret, e);
}

static int verb_doc_submit(void *context, const void *opts, char **argv,
			   struct err *e)
{
	struct adm *a = context;
	auto_json json_t *rows = json_array();

	for (; *argv; argv++) {
		AUTO(envelope_freep) struct envelope *env = NULL;
		AUTO(doc_freep) struct doc *doc = NULL;
		auto_json json_t *answer = NULL;
		int r = doc_file_read(*argv, &env, &doc, e);

		if (r >= 0)
			r = submit_document(a, env, doc, &answer, e);
		if (r < 0)
			return r;
		json_array_append(rows, answer);
	}
	return adm_print_rows(a, document_columns, rows, e);
}

struct list_opts {
	const char *filter, *out;
	bool xml;
};

static int verb_doc_list(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	const struct list_opts *o = opts;
	auto_json json_t *items = NULL;
	int r = remote_list(a,
			    REMOTE_PATH("documents", "?", "filter", o->filter),
			    0, &items, e);

	return r < 0 ? r : adm_print_rows(a, document_columns, items, e);
}

static int verb_doc_history(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct adm *a = context;
	auto_json json_t *items = NULL;
	auto_free char *filter = NULL;
	int r;

	if (asprintf(&filter, "type eq %s and id eq %s", argv[0], argv[1]) < 0)
		return err_oom(e, argv[1]);
	r = remote_list(a, REMOTE_PATH("documents", "?", "filter", filter), 0,
			&items, e);
	return r < 0 ? r : adm_print_rows(a, document_columns, items, e);
}

/* A rightly signed document is still not another one. */
static bool is_requested_document(const struct doc_head *h, char **argv)
{
	const char *version = argv[2];
	uint64_t n;

	if (h->type != DOC_ROOT && strcmp(h->id, argv[1]) != 0)
		return false;
	return !version || strcmp(version, "latest") == 0 ||
	       (encoding_parse_number(version, INT32_MAX, &n) == 0 &&
		n == h->version);
}

/*
 * Fetches TYPE ID [VERSION]: the envelope, tested against the digest that the
 * list of documents says. A document below its threshold is shown as such.
 */
static int fetch_document_version(struct adm *a, char **argv,
				  struct envelope **ret, struct doc **ret_doc,
				  struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *j = NULL;
	const char *version = argv[2] ? argv[2] : "latest";
	enum doc_type t = doc_type_from_name(argv[0]);
	int r;

	if (t == DOC_NONE)
		return err_set(e, EINVAL, "there is no type of document '%s'",
			       argv[0]);
	r = t == DOC_ROOT
		    ? remote_get(a, REMOTE_PATH("roots", version), &j, e)
		    : remote_get(a,
				 REMOTE_PATH("documents", argv[0], argv[1],
					     version, "envelope"),
				 &j, e);
	if (r >= 0)
		r = envelope_from_json(j, &env, e);
	if (r >= 0)
		r = doc_parse(t, env->payload, env->payload_len, ret_doc, e);
	if (r >= 0 && !is_requested_document(&(*ret_doc)->head, argv))
		return err_reason(e, REASON_SIGNATURE,
				  "the server gave %s version %u instead",
				  (*ret_doc)->head.id,
				  (*ret_doc)->head.version);
	if (r < 0)
		return r;
	*ret = steal(env);
	return 0;
}

/* "verified: alice, bob (2 of 2)", or the error why not. It is shown all the
 * same. */
static int report_document_trust(struct adm *a, const struct envelope *env,
				 struct err *e)
{
	AUTO(doc_freep) struct doc *doc = NULL;
	const struct doc_root *root;
	struct threshold_result signers = { 0 };
	struct err why = { 0 };
	char names[512];
	int r = trust_root_get(a, true, &root, &why);

	if (r >= 0)
		r = trust_root_open_document(root, env, &doc, &signers, &why);
	if (r < 0) {
		err_set(e, EBADMSG, "not verified: %.220s", why.text);
		e->reason = why.reason;
		return -EBADMSG;
	}
	threshold_names(root, signers.signers, names, sizeof(names));
	fprintf(stderr, "verified: signed by %s (%u of %u)\n", names,
		signers.count, signers.threshold);
	return 0;
}

static int write_envelope_output(const struct envelope *env, const char *out,
				 struct err *e)
{
	auto_free char *text = NULL;
	int r = envelope_text(env, &text, e);

	if (r >= 0)
		r = adm_write_output(out, text, e);
	if (r >= 0 && !out)
		putchar('\n');
	return r;
}

static int verb_doc_show(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	const struct list_opts *o = opts;
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	struct err why = { 0 };
	int r = fetch_document_version(a, argv, &env, &doc, e), trusted;

	if (r < 0)
		return r;
	trusted = report_document_trust(a, env, &why);
	if (o->out && o->xml)
		r = adm_write_output(o->out, env->payload, e);
	else if (o->out || a->json)
		r = write_envelope_output(env, o->out, e);
	else
		display_write_text(stdout, env->payload, env->payload_len);
	if (r < 0 || trusted >= 0)
		return r;
	*e = why;
	return trusted;
}

/* What the server has against a file, or against what was signed here. */
static int verb_doc_diff(void *context, const void *opts, char **argv,
			 struct err *e)
{
	struct adm *a = context;
	AUTO(envelope_freep) struct envelope *old = NULL, *new = NULL;
	AUTO(doc_freep) struct doc *old_doc = NULL, *new_doc = NULL;
	auto_free char *kept = NULL;
	size_t len = 0;
	bool differ;
	int r = doc_file_read(argv[0], &new, &new_doc, e);

	if (r >= 0 && argv[1])
		r = doc_file_read(argv[1], &old, &old_doc, e);
	else if (r >= 0)
		r = state_load_signed(a, &new_doc->head, 0, &kept, &len, e);
	if (r < 0)
		return r;
	/* With two files the first is the older one. */
	differ = old ? diff_write(stdout, new->payload, new->payload_len,
				  old->payload, old->payload_len,
				  isatty(STDOUT_FILENO))
		     : diff_write(stdout, kept, len, new->payload,
				  new->payload_len, isatty(STDOUT_FILENO));
	return differ ? EXIT_CHANGES : 0;
}

static int verb_doc_withdraw(void *context, const void *opts, char **argv,
			     struct err *e)
{
	struct adm *a = context;
	auto_json json_t *doc = NULL, *answer = NULL;
	const char *sha256;
	char question[200];
	int r = remote_get(a,
			   REMOTE_PATH("documents", argv[0], argv[1], argv[2]),
			   &doc, e);

	if (r < 0)
		return r;
	sha256 = json_string_value(json_object_get(doc, "sha256"));
	snprintf(question, sizeof(question), "Withdraw %s %s version %s",
		 argv[0], argv[1], argv[2]);
	r = sha256 ? adm_confirm(a, question, e)
		   : err_set(e, EBADMSG, "the server gave no digest");
	if (r >= 0)
		r = remote_send(a, "POST",
				REMOTE_PATH("documents", sha256, "withdraw"),
				NULL, &answer, e);
	return r < 0 ? r : adm_print_object(a, document_columns, answer, e);
}

#define NEW(member, name, kind, arg, help)                                     \
	VERB_OPT(struct new_opts, member, name, 0, kind, arg, help)
#define SIGN(member, name, letter, kind, arg, help)                            \
	VERB_OPT(struct signing_options, member, name, letter, kind, arg, help)
#define LIST(member, name, letter, kind, arg, help)                            \
	VERB_OPT(struct list_opts, member, name, letter, kind, arg, help)

static const struct opt new_opts[] = {
	NEW(s.org, "org", OPT_STRING, "ID", "organisation; the root's"),
	NEW(s.id, "id", OPT_STRING, "ID", "id of the document"),
	NEW(s.version, "version-number", OPT_NUMBER, "N", "its version; 1"),
	NEW(s.days, "days", OPT_NUMBER, "N",
	    "expires after so many; 365, or 30 where that is the most"),
	NEW(out, "out", OPT_STRING, "FILE", "instead of the terminal"),
	NEW(s.label, "label", OPT_STRING, "TEXT", "vp-config: name for people"),
	NEW(s.image, "image", OPT_STRING, "ID[:MIN]", "vp-config: its image"),
	NEW(s.memory, "memory", OPT_STRING, "SIZE", "vp-config: memory-max"),
	NEW(s.storage, "storage", OPT_STRING, "SIZE", "vp-config: storage-max"),
	NEW(s.cpu_weight, "cpu-weight", OPT_NUMBER, "N", "vp-config: 1..10000"),
	NEW(s.io_weight, "io-weight", OPT_NUMBER, "N", "vp-config: 1..10000"),
	NEW(s.io_read, "io-read", OPT_STRING, "SIZE",
	    "vp-config: io-read-max, a second"),
	NEW(s.io_write, "io-write", OPT_STRING, "SIZE",
	    "vp-config: io-write-max, a second"),
	NEW(s.pids, "pids", OPT_NUMBER, "N", "vp-config: pids-max"),
	NEW(s.network, "network", OPT_STRING, "MODE",
	    "vp-config: nat or none; none"),
	NEW(s.rate, "rate", OPT_STRING, "SIZE",
	    "vp-config: of its network, a second, each way"),
	NEW(s.allow, "allow", OPT_LIST, "[PROTOCOL:]NET[:PORT]",
	    "vp-config: where it may send to; anywhere"),
	NEW(s.on_boot, "on-boot", OPT_FLAG, NULL,
	    "vp-config: start with the device"),
	NEW(s.no_new_privs, "no-new-privileges", OPT_FLAG, NULL,
	    "vp-config: su and sudo do not work in it"),
	NEW(s.attention, "attention", OPT_STRING, "WORDS",
	    "vp-config: what brings it to the front: call sms alarm"),
	NEW(s.notify, "notify", OPT_STRING, "WORDS",
	    "vp-config: what only notifies: call sms alarm"),
	NEW(s.idle_seconds, "idle-seconds", OPT_NUMBER, "N",
	    "vp-config: lock after so long without input"),
	NEW(s.attempts, "attempts", OPT_NUMBER, "N",
	    "vp-config: wrong passcodes"),
	NEW(s.then, "then", OPT_STRING, "ACTION",
	    "vp-config: after them: nothing, lock or wipe; lock"),
	NEW(s.offline_hours, "offline-hours", OPT_NUMBER, "N",
	    "vp-config: without a fresh snapshot"),
	NEW(s.offline_then, "offline-then", OPT_STRING, "ACTION",
	    "vp-config: after that: nothing, lock or wipe; lock"),
	NEW(protect, "protect", OPT_FLAG, NULL,
	    "vp-config: ask for a config password"),
	NEW(config_password_file, "config-password-file", OPT_STRING, "FILE",
	    "vp-config: protect it by the first line"),
	NEW(s.iterations, "iterations", OPT_NUMBER, "N",
	    "vp-config: of PBKDF2; 210000"),
	NEW(secrets_file, "secrets", OPT_STRING, "FILE",
	    "vp-config: sealed by the config password"),
	NEW(s.vps, "vp", OPT_LIST, "VP:CLASS=MODE,...",
	    "device-policy: rules of a VP"),
	NEW(s.require, "require", OPT_STRING, "LEVEL",
	    "device-policy: open, live or mapped"),
	NEW(s.policies, "policy", OPT_LIST, "ID[:MIN]",
	    "group: a device-policy"),
	NEW(s.vp_configs, "vp-config", OPT_LIST, "ID[:MIN]",
	    "group: a vp-config"),
	NEW(s.device, "device", OPT_STRING, "DEVICE", "membership: who moves"),
	NEW(s.epoch, "epoch", OPT_STRING, "HEX", "membership: its epoch"),
	NEW(s.group, "group", OPT_STRING, "ID[:MIN]", "membership: where to"),
	NEW(s.after, "after", OPT_STRING, "DIGEST",
	    "membership: only behind this one"),
	{ NULL },
};
static const struct opt next_opts[] = {
	NEW(out, "out", OPT_STRING, "FILE", "instead of the terminal"),
	NEW(config_password_file, "config-password-file", OPT_STRING, "FILE",
	    "vp-config: its password, which stays"),
	{ NULL },
};
static const struct opt sign_opts[] = {
	SIGN(out, "out", 'o', OPT_STRING, "FILE",
	     "the envelope; FILE with .json for .xml"),
	SIGN(proof_for, "proof-for", 0, OPT_LIST, "FILE",
	     "an older vp-config that devices may hold"),
	SIGN(without_proof, "without-proof", 0, OPT_FLAG, NULL,
	     "the config password is lost: the role root signs"),
	SIGN(config_password_files, "config-password-file", 0, OPT_LIST, "FILE",
	     "the password of older vp-configs"),
	SIGN(offline, "offline", 0, OPT_FLAG, NULL,
	     "do not ask the server for older vp-configs"),
	SIGN(again, "again", 0, OPT_FLAG, NULL,
	     "a version that was signed before, with other content"),
	{ NULL },
};
static const struct opt list_opts[] = {
	LIST(filter, "filter", 0, OPT_STRING, "FILTER",
	     "such as \"type eq group and state eq valid\""),
	{ NULL },
};
static const struct opt show_opts[] = {
	LIST(out, "out", 'o', OPT_STRING, "FILE", "write the envelope there"),
	LIST(xml, "xml", 0, OPT_FLAG, NULL, "with --out: the XML instead"),
	{ NULL },
};

const struct verb verb_doc_table[] = {
	{ "new", "TYPE", 1, 1, "write a document from options",
	  VERB_SERVER | VERB_ROOT, new_opts, sizeof(struct new_opts),
	  verb_doc_new },
	{ "next", "FILE", 1, 1, "write the version after this one", 0,
	  next_opts, sizeof(struct new_opts), verb_doc_next },
	{ "lint", "FILE...", 1, 1000, "check documents, signed or not",
	  VERB_FORMAT, NULL, 0, verb_doc_lint },
	{ "sign", "FILE...", 1, 1000, "sign after showing the change",
	  VERB_KEYS | VERB_YES | VERB_SERVER | VERB_ROOT, sign_opts,
	  sizeof(struct signing_options), verb_doc_sign },
	{ "verify", "FILE", 1, 1, "verify an envelope by the root",
	  VERB_SERVER | VERB_ROOT | VERB_FORMAT, NULL, 0, verb_doc_verify },
	{ "cat", "FILE", 1, 1, "the exact document in an envelope", 0, NULL, 0,
	  verb_doc_cat },
	{ "diff", "FILE [NEWER]", 1, 2,
	  "against what was last signed here, or two files", 0, NULL, 0,
	  verb_doc_diff },
	{ "submit", "FILE...", 1, 1000, "bring envelopes to the server",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_doc_submit },
	{ "list", "", 0, 0, "documents at the server",
	  VERB_SERVER | VERB_FORMAT, list_opts, sizeof(struct list_opts),
	  verb_doc_list },
	{ "show", "TYPE ID [VERSION]", 2, 3,
	  "a document of the server, verified here",
	  VERB_SERVER | VERB_ROOT | VERB_FORMAT, show_opts,
	  sizeof(struct list_opts), verb_doc_show },
	{ "history", "TYPE ID", 2, 2, "all versions at the server",
	  VERB_SERVER | VERB_FORMAT, NULL, 0, verb_doc_history },
	{ "withdraw", "TYPE ID VERSION", 3, 3,
	  "take back a version that is not active",
	  VERB_SERVER | VERB_YES | VERB_FORMAT, NULL, 0, verb_doc_withdraw },
	{ NULL },
};
