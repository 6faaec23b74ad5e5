/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/envelope.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"

#include <stdio.h>
#include <string.h>

#define PROOFS_TYPE ENVELOPE_TYPE_XML("vp-config")
#define PREFIX_SIZE 160 /* of a PAE: all but the body */

/* What json.c found, as the reason that the contract has for it. */
static int set_malformed_reason(struct err *e, int r)
{
	if (r == -ENOMEM)
		return r;
	e->reason = REASON_ENVELOPE;
	return -reason_errno(REASON_ENVELOPE);
}

static bool is_valid_payload_type(const char *type)
{
	size_t n = strlen(type);

	if (n == 0 || n >= sizeof(((struct envelope *)NULL)->type))
		return false;
	for (; *type; type++)
		if (*type <= ' ' || *type > '~')
			return false;
	return true;
}

static size_t format_pae_prefix(const char *type, size_t len,
				char ret[PREFIX_SIZE])
{
	return (size_t)snprintf(ret, PREFIX_SIZE, "DSSEv1 %zu %s %zu ",
				strlen(type), type, len);
}

int envelope_pae(const char *type, const void *payload, size_t len, void **ret,
		 size_t *ret_len, struct err *e)
{
	char prefix[PREFIX_SIZE];
	size_t prefix_len;
	char *pae;

	if (!is_valid_payload_type(type))
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: payloadType '%.80s' is not valid",
				  type);
	prefix_len = format_pae_prefix(type, len, prefix);
	pae = malloc(prefix_len + len + 1);
	if (!pae)
		return err_oom(e, "envelope");
	memcpy(pae, prefix, prefix_len);
	if (len > 0)
		memcpy(pae + prefix_len, payload, len);
	pae[prefix_len + len] = '\0';
	*ret = pae;
	*ret_len = prefix_len + len;
	return 0;
}

/* Both digests of a payload that is in place. */
static void compute_digests(struct envelope *env)
{
	char prefix[PREFIX_SIZE];
	struct hash h;

	hash_init(&h);
	hash_add(&h, prefix,
		 format_pae_prefix(env->type, env->payload_len, prefix));
	hash_add(&h, env->payload, env->payload_len);
	hash_end(&h, env->pae_digest);
	hash_sha256(env->payload, env->payload_len, env->digest);
}

static int set_payload_type(struct envelope *env, const char *type,
			    struct err *e)
{
	if (!is_valid_payload_type(type))
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: payloadType '%.80s' is not valid",
				  type);
	memcpy(env->type, type, strlen(type) + 1);
	return 0;
}

static int report_too_large(struct err *e, const char *what, size_t len,
			    size_t max)
{
	return err_reason(e, REASON_TOO_LARGE,
			  "%s: %zu bytes, at most %zu are allowed", what, len,
			  max);
}

static int decode_payload(struct envelope *env, const char *b64, size_t b64_len,
			  struct err *e)
{
	int r;

	/* Before the work; base64 has four characters for three bytes. */
	if (b64_len > (ENVELOPE_PAYLOAD_MAX + 2) / 3 * 4)
		return report_too_large(e, "document", b64_len / 4 * 3,
					ENVELOPE_PAYLOAD_MAX);
	r = encoding_from_base64(b64, b64_len, &env->payload,
				 &env->payload_len);
	if (r == -ENOMEM)
		return err_oom(e, "envelope");
	if (r < 0)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: 'payload' is not base64");
	if (env->payload_len > ENVELOPE_PAYLOAD_MAX)
		return report_too_large(e, "document", env->payload_len,
					ENVELOPE_PAYLOAD_MAX);
	return 0;
}

/* Base64 of 1 to `max` bytes; returns how many, or an error. */
static int decode_base64_member(const char *what, const char *b64, void *ret,
				size_t max, struct err *e)
{
	auto_free void *data = NULL;
	size_t len = 0;
	int r;

	r = encoding_from_base64(b64, strlen(b64), &data, &len);
	if (r == -ENOMEM)
		return err_oom(e, "envelope");
	if (r < 0 || len == 0 || len > max)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: '%s' is not base64 of at most %zu "
				  "bytes",
				  what, max);
	memcpy(ret, data, len);
	return (int)len;
}

static int parse_signature_entry(struct envelope *env, json_t *j, struct err *e)
{
	struct envelope_signature *s = &env->signature[env->n_signatures];
	const char *keyid, *sig;
	const struct json_member table[] = {
		{ "keyid", JSON_STRING, false, &keyid },
		{ "sig", JSON_STRING, false, &sig },
		{ NULL },
	};
	uint8_t id[HASH_SIZE];
	int r;

	r = json_read_object(j, table, true, "signature of the envelope", e);
	if (r < 0)
		return set_malformed_reason(e, r);
	if (encoding_from_hex(keyid, id, sizeof(id)) < 0)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: keyid '%.70s' is not 64 "
				  "lower-case hex digits",
				  keyid);
	memcpy(s->keyid, keyid, sizeof(s->keyid));
	r = decode_base64_member("sig", sig, s->sig, sizeof(s->sig), e);
	if (r < 0)
		return r;
	s->sig_len = (size_t)r;
	env->n_signatures++;
	return 0;
}

static int parse_proof_entry(struct envelope *env, json_t *j, struct err *e)
{
	struct envelope_proof *p = &env->proof[env->n_proofs];
	const char *over, *mac;
	const struct json_member table[] = {
		{ "over", JSON_STRING, false, &over },
		{ "mac", JSON_STRING, false, &mac },
		{ NULL },
	};
	int r;

	r = json_read_object(j, table, true, "proof of the envelope", e);
	if (r < 0)
		return set_malformed_reason(e, r);
	if (encoding_parse_digest(over, p->over) < 0)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: 'over' is not sha256:<hex>");
	r = decode_base64_member("mac", mac, p->mac, sizeof(p->mac), e);
	if (r < 0)
		return r;
	if (r != sizeof(p->mac))
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: 'mac' has %d bytes, not %zu", r,
				  sizeof(p->mac));
	env->n_proofs++;
	return 0;
}

static int parse_entry_list(struct envelope *env, json_t *list,
			    const char *what, size_t max,
			    int (*take)(struct envelope *env, json_t *j,
					struct err *e),
			    struct err *e)
{
	size_t i;
	json_t *j;

	if (json_array_size(list) > max)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: %zu %s, at most %zu are allowed",
				  json_array_size(list), what, max);
	json_array_foreach (list, i, j) {
		int r = take(env, j, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_envelope_object(struct envelope *env, json_t *j, struct err *e)
{
	json_t *payload, *signatures, *proofs = NULL;
	const char *type, *payload_text;
	const struct json_member table[] = {
		{ "payloadType", JSON_STRING, false, &type },
		{ "payload", JSON_STRING, false, &payload_text },
		{ "signatures", JSON_ARRAY, false, &signatures },
		{ "proofs", JSON_ARRAY, true, &proofs },
		{ NULL },
	};
	int r;

	r = json_read_object(j, table, true, "envelope", e);
	if (r < 0)
		return set_malformed_reason(e, r);
	r = set_payload_type(env, type, e);
	if (r < 0)
		return r;
	if (json_object_get(j, "proofs") &&
	    (!proofs || strcmp(env->type, PROOFS_TYPE) != 0))
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: 'proofs' is a list and occurs "
				  "beside a vp-config only");
	payload = json_object_get(j, "payload");
	r = decode_payload(env, payload_text, json_string_length(payload), e);
	if (r < 0)
		return r;
	r = parse_entry_list(env, signatures, "signatures",
			     ENVELOPE_SIGNATURES_MAX, parse_signature_entry, e);
	if (r < 0)
		return r;
	return parse_entry_list(env, proofs, "proofs", ENVELOPE_PROOFS_MAX,
				parse_proof_entry, e);
}

int envelope_parse(const char *json, size_t len, struct envelope **ret,
		   struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_json json_t *j = NULL;
	int r;

	if (len > ENVELOPE_MAX)
		return report_too_large(e, "envelope", len, ENVELOPE_MAX);
	env = calloc(1, sizeof(*env));
	if (!env)
		return err_oom(e, "envelope");
	r = json_parse(json, len, "envelope", &j, e);
	if (r < 0)
		return set_malformed_reason(e, r);
	r = parse_envelope_object(env, j, e);
	if (r < 0)
		return r;
	compute_digests(env);
	*ret = steal(env);
	return 0;
}

int envelope_from_json(const json_t *j, struct envelope **ret, struct err *e)
{
	auto_free char *text = j ? json_text(j) : NULL;

	if (!j)
		return err_set(e, EBADMSG, "there is no envelope");
	return text ? envelope_parse(text, strlen(text), ret, e)
		    : err_oom(e, "read an envelope");
}

int envelope_read_file(const char *path, struct envelope **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t len;
	int r = io_read_file(path, ENVELOPE_MAX, &text, &len, e);

	return r < 0 ? r : envelope_parse(text, len, ret, e);
}

int envelope_new(const char *type, const void *payload, size_t len,
		 struct envelope **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	int r;

	if (len > ENVELOPE_PAYLOAD_MAX)
		return report_too_large(e, "document", len,
					ENVELOPE_PAYLOAD_MAX);
	env = calloc(1, sizeof(*env));
	if (!env)
		return err_oom(e, "envelope");
	r = set_payload_type(env, type, e);
	if (r < 0)
		return r;
	env->payload = malloc(len + 1);
	if (!env->payload)
		return err_oom(e, "envelope");
	if (len > 0)
		memcpy(env->payload, payload, len);
	((char *)env->payload)[len] = '\0';
	env->payload_len = len;
	compute_digests(env);
	*ret = steal(env);
	return 0;
}

void envelope_free(struct envelope *env)
{
	if (env)
		free(env->payload);
	free(env);
}

static struct envelope_signature *find_signature(struct envelope *env,
						 const char *keyid)
{
	for (unsigned int i = 0; i < env->n_signatures; i++)
		if (strcmp(env->signature[i].keyid, keyid) == 0)
			return &env->signature[i];
	return NULL;
}

static int append_signature(struct envelope *env,
			    const struct envelope_signature *s, struct err *e)
{
	if (env->n_signatures == ENVELOPE_SIGNATURES_MAX)
		return err_set(e, E2BIG,
			       "envelope: it has %d signatures already",
			       ENVELOPE_SIGNATURES_MAX);
	env->signature[env->n_signatures++] = *s;
	return 0;
}

int envelope_sign(struct envelope *env, const struct key *k, struct err *e)
{
	struct envelope_signature s = { 0 }, *old;
	int r;

	r = key_sign(k, env->pae_digest, s.sig, &s.sig_len, e);
	if (r < 0)
		return r;
	memcpy(s.keyid, key_id(k), sizeof(s.keyid));
	old = find_signature(env, s.keyid);
	if (!old)
		return append_signature(env, &s, e);
	*old = s;
	return 0;
}

int envelope_add_proof(struct envelope *env, const struct envelope_proof *p,
		       struct err *e)
{
	if (strcmp(env->type, PROOFS_TYPE) != 0)
		return err_set(e, EINVAL, "envelope: a %s takes no proof",
			       env->type);
	for (unsigned int i = 0; i < env->n_proofs; i++)
		if (memcmp(&env->proof[i], p, sizeof(*p)) == 0)
			return 0;
	if (env->n_proofs == ENVELOPE_PROOFS_MAX)
		return err_set(e, E2BIG, "envelope: it has %d proofs already",
			       ENVELOPE_PROOFS_MAX);
	env->proof[env->n_proofs++] = *p;
	return 0;
}

int envelope_merge(struct envelope *env, const struct envelope *from,
		   struct err *e)
{
	int r;

	if (memcmp(env->pae_digest, from->pae_digest, HASH_SIZE) != 0)
		return err_set(
			e, EINVAL,
			"merge envelopes: they carry different documents");
	for (unsigned int i = 0; i < from->n_signatures; i++) {
		if (find_signature(env, from->signature[i].keyid))
			continue;
		r = append_signature(env, &from->signature[i], e);
		if (r < 0)
			return r;
	}
	for (unsigned int i = 0; i < from->n_proofs; i++) {
		r = envelope_add_proof(env, &from->proof[i], e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Appends {a_name: a, b_name: base64(b)}; false: no memory. */
static bool append_json_entry(json_t *list, const char *a_name, const char *a,
			      const char *b_name, const void *b, size_t b_len)
{
	auto_free char *b64 = encoding_to_base64(b, b_len);
	json_t *j = b64 ? json_pack("{ss ss}", a_name, a, b_name, b64) : NULL;

	return j && json_array_append_new(list, j) == 0;
}

static bool build_entry_lists(const struct envelope *env, json_t *signatures,
			      json_t *proofs)
{
	for (unsigned int i = 0; i < env->n_signatures; i++) {
		const struct envelope_signature *s = &env->signature[i];

		if (!append_json_entry(signatures, "keyid", s->keyid, "sig",
				       s->sig, s->sig_len))
			return false;
	}
	for (unsigned int i = 0; i < env->n_proofs; i++) {
		const struct envelope_proof *p = &env->proof[i];
		char over[ENCODING_DIGEST_SIZE];

		encoding_format_digest(p->over, over);
		if (!append_json_entry(proofs, "over", over, "mac", p->mac,
				       sizeof(p->mac)))
			return false;
	}
	return true;
}

int envelope_text(const struct envelope *env, char **ret, struct err *e)
{
	auto_free char *payload =
		encoding_to_base64(env->payload, env->payload_len);
	auto_json json_t *signatures = json_array(), *proofs = json_array();
	auto_json json_t *j = NULL;

	if (!payload || !signatures || !proofs ||
	    !build_entry_lists(env, signatures, proofs))
		return err_oom(e, "envelope");
	j = json_pack("{ss ss sO}", "payloadType", env->type, "payload",
		      payload, "signatures", signatures);
	if (!j ||
	    (env->n_proofs > 0 && json_object_set(j, "proofs", proofs) < 0))
		return err_oom(e, "envelope");
	*ret = json_text(j);
	return *ret ? 0 : err_oom(e, "envelope");
}

int envelope_verify(const struct envelope *env, const char *type,
		    const struct key *k, struct err *e)
{
	bool is_known = false;

	if (strcmp(env->type, type) != 0)
		return err_reason(e, REASON_ENVELOPE,
				  "envelope: payloadType '%s' is not '%s'",
				  env->type, type);
	for (unsigned int i = 0; i < env->n_signatures; i++) {
		const struct envelope_signature *s = &env->signature[i];

		if (strcmp(s->keyid, key_id(k)) != 0)
			continue;
		is_known = true;
		if (key_verify(k, env->pae_digest, s->sig, s->sig_len) == 0)
			return 0;
	}
	return err_reason(e, is_known ? REASON_SIGNATURE : REASON_UNKNOWN_KEY,
			  "envelope: %s key %.16s",
			  is_known ? "wrong signature by" : "not signed by",
			  key_id(k));
}

int envelope_make(const char *type, const void *payload, size_t len,
		  const struct key *k, char **ret, struct err *e)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	int r;

	r = envelope_new(type, payload, len, &env, e);
	if (r < 0)
		return r;
	r = envelope_sign(env, k, e);
	if (r < 0)
		return r;
	return envelope_text(env, ret, e);
}
