/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/command.h"

#include "cellsadm/adm.h"
#include "cellsadm/documents/doc_file.h"
#include "cellsadm/documents/template.h"
#include "cellsadm/remote.h"
#include "cellsadm/trust/device_key.h"
#include "cellsadm/trust/keyring.h"
#include "cellsadm/trust/recovery.h"
#include "cellsadm/trust/signing.h"
#include "cellsadm/trust/trust_root.h"
#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/hash.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "lib/table.h"

#include <errno.h>
#include <string.h>

#define TTL_DEFAULT 86400
#define WAIT_SECONDS                                                           \
	"10" /* one request; the server answers earlier at an end */
#define SEALED_KEY_MAX 4096

static const struct table_column action_columns[] = { { "ID", "id" },
						      { "DEVICE", "device" },
						      { "ACTION", "action" },
						      { "VP", "vp" },
						      { "STATE", "state" },
						      { "SIGNERS", "signers",
							TABLE_NAMES },
						      { "NEEDED", "threshold" },
						      { "EXPIRES", "expires" },
						      { "REASON", "reason" },
						      { "TEXT", "text" },
						      { NULL } };

/* The epoch that the server gives; a wrong one makes the device refuse. */
static int fetch_device_epoch(struct adm *a, const char *device, char ret[33],
			      struct err *e)
{
	auto_json json_t *j = NULL;
	const char *epoch;
	int r = remote_get(a, REMOTE_PATH("devices", device), &j, e);

	if (r < 0)
		return r;
	epoch = json_string_value(json_object_get(j, "epoch"));
	if (!epoch || strlen(epoch) != 32)
		return err_set(e, EBADMSG, "the server gives no epoch of %s",
			       device);
	memcpy(ret, epoch, 33);
	return 0;
}

/* "lock-3f2a..." : an id that no other command has. */
static void generate_command_id(const struct command_request *o,
				char ret[DOC_ID_SIZE])
{
	uint8_t random[8];
	char hex[17];

	hash_random(random, sizeof(random));
	encoding_to_hex(random, sizeof(random), hex);
	snprintf(ret, DOC_ID_SIZE, "%s-%s", o->action ? o->action : "move",
		 hex);
}

static int build_command_xml(struct adm *a, const struct command_request *o,
			     char **ret, struct err *e)
{
	auto_free char *sealed = NULL;
	struct template_options s = { .version = 1,
				      .device = o->device,
				      .epoch = o->epoch,
				      .group = o->group,
				      .after = o->after,
				      .action = o->action,
				      .vp = o->vp,
				      .ttl = TTL_DEFAULT };
	char id[DOC_ID_SIZE], epoch[33];
	int r = trust_root_get_org(a, NULL, &s.org, e);

	if (r >= 0 && !o->epoch) {
		r = fetch_device_epoch(a, o->device, epoch, e);
		s.epoch = epoch;
	}
	if (r >= 0 && o->ttl)
		r = adm_parse_duration(o->ttl, &s.ttl, e);
	if (r >= 0 && o->sealed_key)
		r = io_read_file(o->sealed_key, SEALED_KEY_MAX, &sealed,
				 &s.sealed_key_len, e);
	else if (r >= 0 && o->recovery_key)
		r = recovery_seal_key(a, o->device, o->vp, o->recovery_key,
				      &sealed, &s.sealed_key_len, e);
	if (r < 0)
		return r;
	s.sealed_key = sealed;
	generate_command_id(o, id);
	s.id = id;
	return template_build_xml(o->action ? DOC_COMMAND : DOC_MEMBERSHIP, &s,
				  ret, e);
}

static int create_command_envelope(struct adm *a,
				   const struct command_request *o,
				   struct envelope **ret, struct doc **ret_doc,
				   struct err *e)
{
	enum doc_type t = o->action ? DOC_COMMAND : DOC_MEMBERSHIP;
	auto_free char *xml = NULL;
	int r = build_command_xml(a, o, &xml, e);

	if (r >= 0)
		r = doc_parse(t, xml, strlen(xml), ret_doc, e);
	if (r >= 0)
		r = envelope_new(doc_payload_type(t), xml, strlen(xml), ret, e);
	return r;
}

static bool is_same_membership(const struct command_request *o,
			       const struct doc_membership *m)
{
	char group[DOC_ID_SIZE];
	uint32_t min = m->min_version;
	struct err ignored;

	return adm_parse_reference(o->group, group, &min, &ignored) == 0 &&
	       strcmp(m->device, o->device) == 0 &&
	       strcmp(m->group, group) == 0 && m->min_version == min;
}

static bool is_same_command(const struct command_request *o,
			    const struct doc_command *c)
{
	return strcmp(c->device, o->device) == 0 &&
	       strcmp(c->vp, o->vp ? o->vp : "") == 0 &&
	       strcmp(doc_action_name(c->action), o->action) == 0;
}

/* A command from a file must be the very one that the command line names. */
static int check_file_command(const struct command_request *o,
			      const struct doc *doc, struct err *e)
{
	if (doc->head.type == DOC_COMMAND && o->action &&
	    is_same_command(o, doc_as_command(doc)))
		return 0;
	if (doc->head.type == DOC_MEMBERSHIP && !o->action &&
	    is_same_membership(o, doc_as_membership(doc)))
		return 0;
	return err_set(e, EINVAL, "%s holds another command than this",
		       o->in ? o->in : o->device);
}

static int submit_command(struct adm *a, const struct command_request *o,
			  const struct envelope *env, json_t **ret,
			  struct err *e)
{
	auto_json json_t *body = NULL, *j = NULL;
	auto_free char *text = NULL;
	uint64_t ttl = 0;
	int r = envelope_text(env, &text, e);

	if (r >= 0)
		r = json_parse(text, strlen(text), "the command", &j, e);
	if (r >= 0 && o->ttl)
		r = adm_parse_duration(o->ttl, &ttl, e);
	if (r < 0)
		return r;
	body = json_pack("{sO}", "envelope", j);
	if (!body)
		return err_oom(e, o->device);
	if (ttl)
		json_object_set_new(body, "ttl", json_integer((json_int_t)ttl));
	return remote_send(a, "POST",
			   REMOTE_PATH("devices", o->device, "actions"), body,
			   ret, e);
}

/* What a receipt of a done command may be. */
static bool is_expected_receipt_type(const char *action, enum receipt_type t)
{
	static const struct {
		const char *action;
		enum receipt_type type;
	} table[] = {
		{ "lock", RECEIPT_LOCKED },	{ "unlock", RECEIPT_UNLOCKED },
		{ "wipe", RECEIPT_WIPED },	{ "remove", RECEIPT_REMOVED },
		{ "start", RECEIPT_STARTED },	{ "stop", RECEIPT_STOPPED },
		{ "switch", RECEIPT_SWITCHED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].action, action) == 0)
			return table[i].type == t;
	return t == RECEIPT_APPLIED;
}

/* The receipt's own words on what it answers: the digest or the id, and the
 * VP; a refusal may come before the device knew which. */
static bool is_receipt_of_command(const struct receipt *r, const char *id,
				  const char *vp,
				  const uint8_t digest[HASH_SIZE])
{
	const char *sha256 =
		json_string_value(json_object_get(r->document, "sha256"));
	const char *command =
		json_string_value(json_object_get(r->details, "command"));
	char want[ENCODING_DIGEST_SIZE];

	encoding_format_digest(digest, want);
	if (r->vp ? !vp || strcmp(r->vp, vp) != 0
		  : vp && r->type != RECEIPT_REFUSED)
		return false;
	if (sha256)
		return strcmp(sha256, want) == 0;
	return command && strcmp(command, id) == 0;
}

static int fetch_command_receipt(struct adm *a, const char *device,
				 const char *epoch, int64_t seq,
				 struct envelope **ret, struct err *e)
{
	auto_json json_t *items = NULL;
	auto_free char *filter = NULL;
	const json_t *env;

	if (asprintf(&filter, "epoch eq %s and seq eq %lld", epoch,
		     (long long)seq) < 0)
		return err_oom(e, device);
	if (remote_list(a,
			REMOTE_PATH("devices", device, "receipts", "?",
				    "filter", filter),
			1, &items, e) < 0)
		return -EIO;
	env = json_object_get(json_array_get(items, 0), "envelope");
	if (!env)
		return err_set(e, ENOENT,
			       "the server has no receipt %lld of "
			       "%s",
			       (long long)seq, device);
	return envelope_from_json(env, ret, e);
}

/* The server's "done" counts for nothing; this does. */
static int verify_command_receipt(struct adm *a, const json_t *action,
				  const char *device, const char *id,
				  const char *vp,
				  const uint8_t digest[HASH_SIZE],
				  struct err *e)
{
	const json_t *newest = json_object_get(action, "receipt");
	const char *epoch = json_string_value(json_object_get(newest, "epoch"));
	json_int_t seq = json_integer_value(json_object_get(newest, "seq"));
	const char *what = json_string_value(json_object_get(action, "action"));
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(device_key_fini) struct device_key key = { 0 };
	AUTO(receipt_fini) struct receipt receipt = { 0 };
	int r;

	if (!epoch || !what)
		return err_set(e, EBADMSG, "the server gives no receipt of %s",
			       id);
	r = device_key_get(a, device, epoch, &key, e);
	if (r >= 0)
		r = fetch_command_receipt(a, device, epoch, seq, &env, e);
	if (r >= 0)
		r = receipt_open(env, key.key, &receipt, e);
	if (r < 0)
		return r;
	if (strcmp(receipt.device, device) != 0 || receipt.seq != seq ||
	    !is_receipt_of_command(&receipt, id, vp, digest))
		return err_set(e, EBADMSG,
			       "receipt %lld of %s does not answer %s",
			       (long long)seq, device, id);
	if (receipt.type == RECEIPT_REFUSED)
		return err_reason(e, reason_from_code(receipt.reason),
				  "%s refused %s: %s", device, id,
				  json_string_value(json_object_get(
					  receipt.details, "text"))
					  ?: "");
	if (!is_expected_receipt_type(what, receipt.type))
		return err_set(e, EBADMSG, "receipt %lld of %s says '%s' to %s",
			       (long long)seq, device,
			       receipt_type_name(receipt.type), id);
	printf("%s: receipt %lld verified, key: %s\n",
	       receipt_type_name(receipt.type), (long long)receipt.seq,
	       device_key_trust_name(&key));
	return 0;
}

static bool is_final_state(const char *state)
{
	return strcmp(state, "done") == 0 || strcmp(state, "refused") == 0 ||
	       strcmp(state, "expired") == 0 || strcmp(state, "cancelled") == 0;
}

static int report_final_state(struct adm *a, const json_t *action,
			      const char *state, const char *device,
			      const char *id, const char *vp,
			      const uint8_t digest[HASH_SIZE], struct err *e)
{
	const char *reason =
		json_string_value(json_object_get(action, "reason"));
	const char *text = json_string_value(json_object_get(action, "text"));

	if (strcmp(state, "done") == 0 ||
	    (strcmp(state, "refused") == 0 &&
	     json_is_object(json_object_get(action, "receipt"))))
		return verify_command_receipt(a, action, device, id, vp, digest,
					      e);
	err_set(e, EIO, "%s is %s%s%s", id, state, text && *text ? ": " : "",
		text ? text : "");
	e->reason = reason ? reason_from_code(reason) : REASON_NONE;
	return -EIO;
}

int command_wait(struct adm *a, const char *device, const char *id,
		 const char *vp, const uint8_t digest[HASH_SIZE],
		 const char *timeout, struct err *e)
{
	uint64_t start = clock_mono_ns(), limit = 0;
	char before[24] = "";

	if (timeout && adm_parse_duration(timeout, &limit, e) < 0)
		return -EINVAL;
	for (;;) {
		auto_json json_t *j = NULL;
		const char *state;
		int r = remote_get(a,
				   REMOTE_PATH("devices", device, "actions", id,
					       "?", "wait", WAIT_SECONDS),
				   &j, e);

		if (r < 0)
			return r;
		state = json_string_value(json_object_get(j, "state"));
		if (!state)
			return err_set(e, EBADMSG, "the server gives no state");
		if (strcmp(state, before) != 0)
			fprintf(stderr, "%s\n", state);
		snprintf(before, sizeof(before), "%s", state);
		if (is_final_state(state))
			return report_final_state(a, j, state, device, id, vp,
						  digest, e);
		if (limit && clock_mono_ns() - start > limit * 1000000000ULL)
			return err_set(e, ETIMEDOUT, "%s is still %s after %s",
				       id, state, timeout);
	}
}

static int sign_command(struct adm *a, struct envelope *env,
			const struct doc *doc, struct err *e)
{
	AUTO(keyring_fini) struct keyring ring = { 0 };
	int r = keyring_open(a, &ring, e);

	/* Who typed "lock" wants it; what cannot be undone asks again. */
	if (r >= 0 &&
	    (doc->head.type != DOC_COMMAND ||
	     doc_action_role(doc_as_command(doc)->action) == DOC_ROLE_DESTROY))
		r = signing_confirm(a, env, doc, true, e);
	return r < 0 ? r : keyring_sign_envelope(&ring, env, e);
}

/* Into a file, for the next one to sign. */
static int write_command_file(struct adm *a, const char *path,
			      const struct envelope *env, const struct doc *doc,
			      struct err *e)
{
	auto_free char *text = NULL;
	int r = envelope_text(env, &text, e);

	if (r >= 0)
		r = io_replace_file(path, text, strlen(text), 0644, e);
	if (r >= 0)
		signing_print_signers(a, path, env, doc);
	return r;
}

/* What the device would refuse is not signed. Where no receipt says what is in
 * force on it, the device decides. */
static int check_vp_exists(struct adm *a, const struct command_request *o,
			   struct err *e)
{
	auto_json json_t *items = NULL;
	const json_t *item;
	size_t i;
	int r;

	if (!o->vp || o->any_vp || o->epoch)
		return 0;
	r = remote_list(a, REMOTE_PATH("devices", o->device, "vps"), 0, &items,
			e);
	if (r < 0 || json_array_size(items) == 0)
		return r;
	json_array_foreach (items, i, item) {
		const char *vp = json_string_value(json_object_get(item, "vp"));

		if (vp && strcmp(vp, o->vp) == 0)
			return 0;
	}
	return err_reason(e, REASON_NO_SUCH_VP,
			  "%s has no VP '%s' by its newest receipt (--any-vp: "
			  "sign it all the same)",
			  o->device, o->vp);
}

int command_run(struct adm *a, const struct command_request *o, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	AUTO(doc_freep) struct doc *doc = NULL;
	auto_json json_t *action = NULL;
	int r;

	r = o->in ? doc_file_read(o->in, &env, &doc, e)
		  : check_vp_exists(a, o, e);
	if (r >= 0 && !o->in)
		r = create_command_envelope(a, o, &env, &doc, e);
	if (r >= 0 && o->in)
		r = check_file_command(o, doc, e);
	/* A file may come complete: then it is only brought. */
	if (r >= 0 && (a->keys.n > 0 || !o->in))
		r = sign_command(a, env, doc, e);
	if (r >= 0 && o->out)
		return write_command_file(a, o->out, env, doc, e);
	if (r >= 0)
		r = submit_command(a, o, env, &action, e);
	if (r >= 0 && !(o->wait && !a->json))
		r = adm_print_object(a, action_columns, action, e);
	if (r < 0 || !o->wait)
		return r;
	return command_wait(a, o->device, doc->head.id, o->vp, env->digest,
			    o->timeout, e);
}
