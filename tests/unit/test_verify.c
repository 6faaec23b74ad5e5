/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each table begins with what is taken; each row below differs from it in one
 * value, so that only the test of that value is between.
 */
#include "policyd/document/verify.h"

#include "lib/auto.h"
#include "lib/crypto/key.h"
#include "lib/crypto/password_crypto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "policyd/document/document_set.h"
#include "policyd/document/snapshot.h"
#include "policyd/store/store.h"
#include "tests/unit/unit.h"

#include <string.h>

#define DEVICE "dev-0123456789ab"
#define EPOCH "00112233445566778899aabbccddeeff"
#define OTHER_EPOCH "10112233445566778899aabbccddeeff"
#define NOW INT64_C(1795564800) /* 2026-11-25 */
#define DAY 86400
#define ZERO64                                                                 \
	"0000000000000000000000000000000000000000000000000000000000000000"

/* Keys by letter: a and b sign documents, c roots; d is the director's, x no
 * one's. */
#define LETTERS "abcdx"

static struct err e;
static struct key *keys[sizeof(LETTERS) - 1];
static struct doc *root;
static struct document_set force;
static struct verify_facts facts;
static uint8_t the_salt; /* 0: each version has its own */

static struct key *key_of(char letter)
{
	return keys[strchr(LETTERS, letter) - LETTERS];
}

static const char *when(int64_t at)
{
	char text[ENCODING_TIME_SIZE];

	encoding_format_time(NOW + at, text);
	return unit_text("%s", text);
}

static const char *life(int64_t issued, int64_t expires)
{
	return unit_text("issued=\"%s\" expires=\"%s\"", when(issued),
			 when(expires));
}

/* "policy 2 ab" */
static char *role(const char *spec)
{
	char name[16], members[16], *s;
	unsigned int threshold;

	ck_assert_int_eq(
		sscanf(spec, "%15s %u %15s", name, &threshold, members), 3);
	s = unit_text("<role name=\"%s\" threshold=\"%u\">", name, threshold);
	for (const char *m = members; *m; m++)
		s = unit_text("%s<keyid>%s</keyid>", s, key_id(key_of(*m)));
	return unit_text("%s</role>", s);
}

static char *root_xml(const char *org, unsigned int version,
		      const char *director)
{
	char *s = unit_text("<root xmlns=\"urn:cells:root:1\" org=\"%s\""
			    " id=\"root\" version=\"%u\" %s>",
			    org, version, life(-30 * DAY, 30 * DAY));

	for (const char *k = "abcd"; *k; k++) {
		auto_free char *spki = NULL;
		const void *der;
		size_t len;

		der = key_spki(key_of(*k), &len);
		spki = encoding_to_base64(der, len);
		s = unit_text("%s<key id=\"%s\" name=\"%c\" spki=\"%s\"/>", s,
			      key_id(key_of(*k)), *k, spki);
	}
	return unit_text("%s%s%s%s%s%s%s</root>", s, role("root 1 c"),
			 role("policy 2 ab"), role("image 1 b"),
			 role("command 1 a"), role("destroy 2 ab"),
			 role(director));
}

static struct envelope *sign(const char *type, const char *payload,
			     const char *signers)
{
	struct envelope *env;

	ck_assert_msg(envelope_new(type, payload, strlen(payload), &env, &e) ==
			      0,
		      "%s", e.text);
	for (; *signers; signers++)
		ck_assert_int_eq(envelope_sign(env, key_of(*signers), &e), 0);
	return env;
}

static struct doc *parse(enum doc_type type, const char *xml)
{
	struct doc *d;

	ck_assert_msg(doc_parse(type, xml, strlen(xml), &d, &e) == 0, "%s: %s",
		      e.text, xml);
	return d;
}

/* Verifies and forgets: the reason, and whether it is known. */
static enum reason judge(struct envelope *env, bool *ret_known)
{
	struct verify v;
	int r = verify_envelope(&facts, env, &v, &e);

	if (ret_known)
		*ret_known = v.known;
	verify_fini(&v);
	envelope_free(env);
	return r == 0 ? REASON_NONE : e.reason;
}

static char *policy_xml(const char *org, unsigned int version, int64_t issued,
			int64_t expires)
{
	return unit_text("<device-policy xmlns=\"urn:cells:device-policy:1\""
			 " org=\"%s\" id=\"base\" version=\"%u\" %s>"
			 "<vp id=\"work\"><default mode=\"none\"/></vp>"
			 "</device-policy>",
			 org, version, life(issued, expires));
}

static void put_in_force(const char *xml, enum doc_type type)
{
	AUTO(doc_freep) struct doc *d = parse(type, xml);
	AUTO(envelope_freep)
	struct envelope *env = sign(doc_payload_type(type), xml, "ab");
	auto_free char *text = NULL;
	struct store *tx;

	ck_assert_int_eq(envelope_text(env, &text, &e), 0);
	ck_assert_int_eq(store_begin(facts.store, true, &tx, &e), 0);
	ck_assert_int_eq(store_put_document(facts.store, &d->head, text, &e),
			 0);
	ck_assert_int_eq(store_raise_floor(facts.store, &d->head, &e), 0);
	ck_assert_int_eq(store_commit(&tx, &e), 0);
}

static void set_up_store(void)
{
	struct store *tx;

	ck_assert_int_eq(store_open(unit_folder(), &facts.store, &e), 0);
	ck_assert_int_eq(store_begin(facts.store, true, &tx, &e), 0);
	store_set_text(facts.store, STORE_GROUP, "field", &e);
	store_set_int(facts.store, STORE_GROUP_MIN, 3, &e);
	store_set_int(facts.store, STORE_SNAPSHOT_FLOOR, 7, &e);
	store_set_int(facts.store, STORE_MEMBER_ISSUED, NOW - DAY, &e);
	ck_assert_int_eq(store_commit(&tx, &e), 0);
	put_in_force(policy_xml("acme", 4, -2 * DAY, DAY), DOC_DEVICE_POLICY);
}

static void setup(void)
{
	the_salt = 0;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		ck_assert_int_eq(key_generate(&keys[i], &e), 0);
	root = parse(DOC_ROOT, root_xml("acme", 2, "director 1 d"));
	facts = (struct verify_facts){ .root = doc_as_root(root),
				       .now = NOW,
				       .confirmed = NOW,
				       .device = DEVICE,
				       .epoch = EPOCH,
				       .in_force = &force,
				       .window = "" };
	set_up_store();
}

static void teardown(void)
{
	store_close(facts.store);
	document_set_fini(&force);
	doc_free(root);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		key_free(keys[i]);
}

/* ---- orders */
static const struct order {
	enum reason want;
	const char *org, *id, *device, *epoch, *action, *signers;
	int64_t issued, expires;
} orders[] = {
#define TAKEN "acme", "one", DEVICE, EPOCH
	{ REASON_NONE, TAKEN, "lock", "a", -DAY, DAY },
	{ REASON_UNKNOWN_KEY, TAKEN, "lock", "d", -DAY, DAY },
	{ REASON_UNKNOWN_KEY, TAKEN, "lock", "x", -DAY, DAY },
	{ REASON_THRESHOLD, TAKEN, "wipe", "a", -DAY, DAY },
	{ REASON_NONE, TAKEN, "wipe", "ab", -DAY, DAY },
	{ REASON_WRONG_ORG, "other", "one", DEVICE, EPOCH, "lock", "a", -DAY,
	  DAY },
	{ REASON_WRONG_DEVICE, "acme", "one", "dev-0123456789ac", EPOCH, "lock",
	  "a", -DAY, DAY },
	{ REASON_EPOCH, "acme", "one", DEVICE, OTHER_EPOCH, "lock", "a", -DAY,
	  DAY },
	{ REASON_EXPIRED, TAKEN, "lock", "a", -DAY, -1 },
	{ REASON_NOT_YET_VALID, TAKEN, "lock", "a", DAY, 2 * DAY },
	{ REASON_REPLAY, "acme", "done", DEVICE, EPOCH, "lock", "a", -DAY,
	  DAY },
};

static char *order_xml(const struct order *o)
{
	return unit_text("<command xmlns=\"urn:cells:command:1\" org=\"%s\""
			 " id=\"%s\" version=\"1\" %s device=\"%s\""
			 " epoch=\"%s\" vp=\"work\" action=\"%s\"/>",
			 o->org, o->id, life(o->issued, o->expires), o->device,
			 o->epoch, o->action);
}

static void put_job(const char *id, const uint8_t digest[HASH_SIZE])
{
	struct store_command j = { .type = DOC_COMMAND,
				   .version = 1,
				   .expires = NOW + DAY,
				   .action = "lock",
				   .cause = "command",
				   .done = true };
	struct store *tx;

	snprintf(j.id, sizeof(j.id), "%s", id);
	memcpy(j.digest, digest, HASH_SIZE);
	ck_assert_int_eq(store_begin(facts.store, true, &tx, &e), 0);
	ck_assert_int_eq(store_put_command(facts.store, &j, NOW, 0, &e), 0);
	ck_assert_int_eq(store_commit(&tx, &e), 0);
}

START_TEST(order_is_taken_if_every_value_is_right)
{
	const uint8_t other[HASH_SIZE] = { 1 };
	const struct order *o = &orders[_i];

	put_job("done", other);
	ck_assert_msg(judge(sign(doc_payload_type(DOC_COMMAND), order_xml(o),
				 o->signers),
			    NULL) == o->want,
		      "%s", e.text);
}
END_TEST

START_TEST(order_that_was_taken_is_known_however_late)
{
	struct envelope *env =
		sign(doc_payload_type(DOC_COMMAND), order_xml(&orders[0]), "a");
	bool known;

	put_job("one", env->digest);
	facts.now += 3 * DAY;
	facts.confirmed += 3 * DAY;
	ck_assert_int_eq(judge(env, &known), REASON_NONE);
	ck_assert(known);
}
END_TEST

static const struct {
	enum reason want;
	const char *device, *epoch, *signers;
	int64_t issued;
} memberships[] = {
	{ REASON_NONE, DEVICE, EPOCH, "ab", -60 },
	{ REASON_THRESHOLD, DEVICE, EPOCH, "a", -60 },
	{ REASON_WRONG_DEVICE, "dev-0123456789ac", EPOCH, "ab", -60 },
	{ REASON_EPOCH, DEVICE, OTHER_EPOCH, "ab", -60 },
	{ REASON_ROLLBACK, DEVICE, EPOCH, "ab", -DAY - 1 },
};

START_TEST(membership_is_taken_if_every_value_is_right)
{
	const char *xml = unit_text(
		"<membership xmlns=\"urn:cells:membership:1\" org=\"acme\""
		" id=\"move\" version=\"1\" %s device=\"%s\" epoch=\"%s\""
		" group=\"office\" min-version=\"2\"/>",
		life(memberships[_i].issued, DAY), memberships[_i].device,
		memberships[_i].epoch);

	ck_assert_msg(judge(sign(doc_payload_type(DOC_MEMBERSHIP), xml,
				 memberships[_i].signers),
			    NULL) == memberships[_i].want,
		      "%s", e.text);
}
END_TEST

/* ---- snapshots */
static const struct shot {
	enum reason want;
	const char *org, *device, *epoch, *signer;
	unsigned int version;
	int64_t issued;
	const char *group;
	unsigned int group_version, policy_version;
	const char *type, *id; /* NULL: device-policy base */
} shots[] = {
#define HERE "acme", DEVICE, EPOCH
	{ REASON_NONE, HERE, "d", 8, -60, "field", 3, 5 },
	{ REASON_UNKNOWN_KEY, HERE, "a", 8, -60, "field", 3, 5 },
	{ REASON_WRONG_ORG, "other", DEVICE, EPOCH, "d", 8, -60, "field", 3,
	  5 },
	{ REASON_WRONG_DEVICE, "acme", "dev-0123456789ac", EPOCH, "d", 8, -60,
	  "field", 3, 5 },
	{ REASON_EPOCH, "acme", DEVICE, OTHER_EPOCH, "d", 8, -60, "field", 3,
	  5 },
	{ REASON_ROLLBACK, HERE, "d", 6, -60, "field", 3, 5 },
	{ REASON_EQUIVOCATION, HERE, "d", 7, -60, "field", 3, 5 },
	{ REASON_FREEZE, HERE, "d", 8, -2 * DAY, "field", 3, 5 },
	{ REASON_NOT_YET_VALID, HERE, "d", 8, 40 * DAY, "field", 3, 5 },
	{ REASON_INCOMPLETE, HERE, "d", 8, -60, "office", 3, 5 },
	{ REASON_INCOMPLETE, HERE, "d", 8, -60, "field", 2, 5 },
	{ REASON_ROLLBACK, HERE, "d", 8, -60, "field", 3, 3 },
	{ REASON_EQUIVOCATION, HERE, "d", 8, -60, "field", 3, 4 },
};

static char *shot_json(const struct shot *s, const char *policy_digest)
{
	return unit_text(
		"{\"format\":1,\"org\":\"%s\",\"device\":\"%s\","
		"\"epoch\":\"%s\",\"version\":%u,\"issued\":\"%s\","
		"\"expires\":\"%s\",\"documents\":[{\"type\":\"group\""
		",\"id\":\"%s\",\"version\":%u,\"sha256\":\"sha256:"
		"%s\"},{\"type\":\"%s\",\"id\":\"%s\","
		"\"version\":%u,\"sha256\":\"%s\"}]}",
		s->org, s->device, s->epoch, s->version, when(s->issued),
		when(s->issued + DAY), s->group, s->group_version, ZERO64,
		s->type ? s->type : "device-policy", s->id ? s->id : "base",
		s->policy_version, policy_digest);
}

START_TEST(snapshot_is_taken_if_every_value_is_right)
{
	const struct shot *s = &shots[_i];
	const char *digest = unit_text("sha256:1%s", &ZERO64[1]);

	ck_assert_msg(
		judge(sign(SNAPSHOT_TYPE, shot_json(s, digest), s->signer),
		      NULL) == s->want,
		"%s", e.text);
}
END_TEST

START_TEST(snapshot_that_is_held_is_known)
{
	struct shot s = shots[0];
	struct envelope *env;
	char hex[2 * HASH_SIZE + 1];
	struct store *tx;
	bool known;

	s.version = 7;
	env = sign(SNAPSHOT_TYPE,
		   shot_json(&s, unit_text("sha256:1%s", &ZERO64[1])), "d");
	encoding_to_hex(env->digest, HASH_SIZE, hex);
	ck_assert_int_eq(store_begin(facts.store, true, &tx, &e), 0);
	store_set_text(facts.store, STORE_SNAPSHOT_DIGEST, hex, &e);
	ck_assert_int_eq(store_commit(&tx, &e), 0);
	ck_assert_int_eq(judge(env, &known), REASON_NONE);
	ck_assert(known);
}
END_TEST

/* ---- documents */
/* The awaited snapshot names that text. */
static void await(const char *type, const char *id, unsigned int version,
		  const char *xml)
{
	static struct snapshot *staged;
	struct shot s = shots[0];
	char digest[ENCODING_DIGEST_SIZE];
	uint8_t hash[HASH_SIZE];
	const char *json;

	hash_sha256(xml, strlen(xml), hash);
	encoding_format_digest(hash, digest);
	s.policy_version = version;
	s.type = type;
	s.id = id;
	json = shot_json(&s, digest);
	ck_assert_int_eq(snapshot_parse(json, strlen(json), &staged, &e), 0);
	facts.staged = staged;
}

static const struct {
	enum reason want;
	const char *org;
	unsigned int version;
	const char *signers;
	int64_t issued, expires;
	bool is_named;
} policies[] = {
	{ REASON_NONE, "acme", 5, "ab", -DAY, DAY, true },
	{ REASON_THRESHOLD, "acme", 5, "a", -DAY, DAY, true },
	{ REASON_WRONG_ORG, "other", 5, "ab", -DAY, DAY, true },
	{ REASON_EXPIRED, "acme", 5, "ab", -DAY, -1, true },
	{ REASON_NOT_YET_VALID, "acme", 5, "ab", DAY, 2 * DAY, true },
	{ REASON_ROLLBACK, "acme", 3, "ab", -DAY, DAY, true },
	{ REASON_EQUIVOCATION, "acme", 4, "ab", -DAY, DAY, true },
	{ REASON_MIX_AND_MATCH, "acme", 5, "ab", -DAY, DAY, false },
};

START_TEST(document_is_taken_if_every_value_is_right)
{
	const char *xml = policy_xml(policies[_i].org, policies[_i].version,
				     policies[_i].issued, policies[_i].expires);

	await("device-policy", "base", policies[_i].version,
	      policies[_i].is_named ? xml : "other bytes");
	ck_assert_msg(judge(sign(doc_payload_type(DOC_DEVICE_POLICY), xml,
				 policies[_i].signers),
			    NULL) == policies[_i].want,
		      "%s", e.text);
	free((void *)facts.staged);
}
END_TEST

/* 290 quick starts: a day and more is presumed. */
START_TEST(presumed_time_keeps_nothing_out)
{
	const char *xml = policy_xml("acme", 5, -DAY, DAY);
	const char *type = doc_payload_type(DOC_DEVICE_POLICY), *json;

	facts.now = NOW + 290 * 300;
	await("device-policy", "base", 5, xml);
	ck_assert_int_eq(judge(sign(type, xml, "ab"), NULL), REASON_NONE);
	json = shot_json(&shots[0], unit_text("sha256:1%s", &ZERO64[1]));
	ck_assert_int_eq(judge(sign(SNAPSHOT_TYPE, json, "d"), NULL),
			 REASON_NONE);
	free((void *)facts.staged);
}
END_TEST

static const struct {
	const char *type, *id;
	unsigned int version;
} stand_ins[] = {
	{ "vp-config", "base", 5 },
	{ "device-policy", "other", 5 },
	{ "device-policy", "base", 6 },
};

START_TEST(document_does_not_stand_in_for_another)
{
	const char *xml = policy_xml("acme", 5, -DAY, DAY);

	await(stand_ins[_i].type, stand_ins[_i].id, stand_ins[_i].version, xml);
	ck_assert_int_eq(
		judge(sign(doc_payload_type(DOC_DEVICE_POLICY), xml, "ab"),
		      NULL),
		REASON_MIX_AND_MATCH);
	free((void *)facts.staged);
}
END_TEST

static const struct {
	enum reason want;
	const char *org;
	unsigned int version;
	const char *signers;
} roots[] = {
	{ REASON_NONE, "acme", 3, "c" },
	{ REASON_ROOT_CHAIN, "acme", 3, "a" },
	{ REASON_ROOT_CHAIN, "acme", 4, "c" },
	{ REASON_WRONG_ORG, "other", 3, "c" },
	{ REASON_ROLLBACK, "acme", 1, "c" },
	{ REASON_EQUIVOCATION, "acme", 2, "c" },
};

START_TEST(root_is_taken_if_it_follows)
{
	/* Of another director, so that it differs from the one in force. */
	const char *xml =
		root_xml(roots[_i].org, roots[_i].version, "director 1 b");
	struct envelope *env =
		sign(doc_payload_type(DOC_ROOT), xml, roots[_i].signers);

	ck_assert_msg(judge(env, NULL) == roots[_i].want, "%s", e.text);
}
END_TEST

START_TEST(change_of_directors_is_noticed)
{
	static const char *const directors[] = { "director 1 d", "director 1 b",
						 "director 1 db" };

	for (unsigned int i = 0; i < ARRAY_SIZE(directors); i++) {
		struct envelope *env =
			sign(doc_payload_type(DOC_ROOT),
			     root_xml("acme", 3, directors[i]), "c");
		struct verify v;

		ck_assert_int_eq(verify_envelope(&facts, env, &v, &e), 0);
		ck_assert_int_eq(v.new_director, i > 0);
		verify_fini(&v);
		envelope_free(env);
	}
}
END_TEST

START_TEST(type_that_no_device_takes_is_refused)
{
	ck_assert_int_eq(
		judge(sign(ENVELOPE_TYPE_JSON("tree-head"), "{}", "d"), NULL),
		REASON_ENVELOPE);
}
END_TEST

/* ---- the config password */

static char *config_xml(unsigned int version,
			const struct password_crypto_key *k)
{
	const uint8_t salt[16] = { the_salt ? the_salt : (uint8_t)version };
	auto_free char *salt64 = encoding_to_base64(salt, sizeof(salt));
	auto_free char *verifier64 = NULL;
	uint8_t verifier[HASH_SIZE];

	password_crypto_verifier(k, verifier);
	verifier64 = encoding_to_base64(verifier, sizeof(verifier));
	return unit_text(
		"<vp-config xmlns=\"urn:cells:vp-config:1\" org=\"acme\""
		" id=\"work\" version=\"%u\" %s><label>Work</label>"
		"<image id=\"tiny\" min-version=\"1\"/><resources"
		" memory-max=\"268435456\" cpu-weight=\"100\""
		" pids-max=\"256\"/><network mode=\"none\"/>"
		"<start on-boot=\"false\"/><protection kdf=\""
		"pbkdf2-hmac-sha512\" iterations=\"210000\" salt=\"%s\""
		" verifier=\"%s\"/></vp-config>",
		version, life(-DAY, DAY), salt64, verifier64);
}

/* A proof beside env, of the password, over the config with that digest. */
static void prove(struct envelope *env, const struct password_crypto_key *k,
		  const uint8_t over[HASH_SIZE])
{
	struct envelope_proof p = { 0 };
	char digest[ENCODING_DIGEST_SIZE];
	auto_free void *pae = NULL;
	size_t len;

	encoding_format_digest(over, digest);
	memcpy(p.over, over, HASH_SIZE);
	ck_assert_int_eq(envelope_pae(env->type, env->payload, env->payload_len,
				      &pae, &len, &e),
			 0);
	password_crypto_make_proof(k, digest, pae, len, p.mac);
	ck_assert_int_eq(envelope_add_proof(env, &p, &e), 0);
}

enum proving { BY_NOTHING, BY_PROOF, BY_WRONG, BY_OTHER, BY_ROOT, BY_WINDOW };

static const struct {
	enum reason want;
	enum proving by;
} proofs[] = {
	{ REASON_PASSWORD, BY_NOTHING }, { REASON_NONE, BY_PROOF },
	{ REASON_PASSWORD, BY_WRONG },	 { REASON_PASSWORD, BY_OTHER },
	{ REASON_NONE, BY_ROOT },	 { REASON_NONE, BY_WINDOW },
};

START_TEST(protected_config_is_replaced_by_who_may)
{
	const uint8_t other_over[HASH_SIZE] = { 1 };
	struct password_crypto_key right = { { 1 }, { 2 } },
				   wrong = { { 3 }, { 4 } };
	AUTO(doc_freep)
	struct doc *held = parse(DOC_VP_CONFIG, config_xml(1, &right));
	AUTO(envelope_freep)
	struct envelope *env =
		sign(doc_payload_type(DOC_VP_CONFIG), config_xml(2, &right),
		     proofs[_i].by == BY_ROOT ? "c" : "ab");
	int r;

	if (proofs[_i].by == BY_PROOF)
		prove(env, &right, held->head.digest);
	if (proofs[_i].by == BY_WRONG)
		prove(env, &wrong, held->head.digest);
	if (proofs[_i].by == BY_OTHER)
		prove(env, &right, other_over);
	if (proofs[_i].by == BY_WINDOW)
		facts.window = "work";
	r = verify_protection(&facts, doc_as_vp_config(held), env, &e);
	ck_assert_int_eq(r == 0 ? REASON_NONE : e.reason, proofs[_i].want);
}
END_TEST

/* A proof that was seen shows the half of the key that authenticates. */
START_TEST(salt_of_the_held_version_is_refused)
{
	const char *type = doc_payload_type(DOC_VP_CONFIG);
	struct password_crypto_key k = { { 1 }, { 2 } };

	the_salt = 7;
	put_in_force(config_xml(1, &k), DOC_VP_CONFIG);
	facts.window = "work";
	ck_assert_int_eq(judge(sign(type, config_xml(2, &k), "ab"), NULL),
			 REASON_SCHEMA);
}
END_TEST

/* Its replacement comes as far as the snapshot, which does not name it. */
START_TEST(config_that_was_in_force_stays_protected)
{
	struct password_crypto_key k = { { 1 }, { 2 } };
	const char *old = config_xml(1, &k), *next = config_xml(2, &k);
	const char *type = doc_payload_type(DOC_VP_CONFIG);
	struct envelope *env;
	uint8_t over[HASH_SIZE];

	put_in_force(old, DOC_VP_CONFIG);
	hash_sha256(old, strlen(old), over);
	ck_assert_int_eq(judge(sign(type, next, "ab"), NULL), REASON_PASSWORD);
	env = sign(type, next, "ab");
	prove(env, &k, over);
	ck_assert_int_eq(judge(env, NULL), REASON_MIX_AND_MATCH);
}
END_TEST

START_TEST(protected_vp_is_not_removed_without_the_password)
{
	struct password_crypto_key k = { { 1 }, { 2 } };
	struct order o = orders[0];

	o.action = "remove";
	put_in_force(config_xml(1, &k), DOC_VP_CONFIG);
	ck_assert_int_eq(
		judge(sign(doc_payload_type(DOC_COMMAND), order_xml(&o), "ab"),
		      NULL),
		REASON_PASSWORD);
	facts.window = "work";
	ck_assert_int_eq(
		judge(sign(doc_payload_type(DOC_COMMAND), order_xml(&o), "ab"),
		      NULL),
		REASON_NONE);
}
END_TEST

START_TEST(image_for_a_newer_program_is_refused)
{
	for (unsigned int i = 0; i < 2; i++) {
		const char *xml = unit_text(
			"<image xmlns=\"urn:cells:image:1\" org=\"acme\""
			" id=\"tiny\" version=\"1\" %s architecture=\"amd64\""
			" init=\"/sbin/init\" stop-signal=\"TERM\""
			" min-agent=\"%u\"><layer digest=\"sha256:%s\""
			" size=\"4096\" chunks=\"sha256:%s\"/></image>",
			life(-DAY, DAY), VERIFY_AGENT_VERSION + i, ZERO64,
			ZERO64);

		await("image", "tiny", 1, xml);
		ck_assert_int_eq(
			judge(sign(doc_payload_type(DOC_IMAGE), xml, "b"),
			      NULL),
			i ? REASON_AGENT_TOO_OLD : REASON_NONE);
		free((void *)facts.staged);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, order_is_taken_if_every_value_is_right, 0,
			    ARRAY_SIZE(orders));
	tcase_add_test(tc, order_that_was_taken_is_known_however_late);
	tcase_add_loop_test(tc, membership_is_taken_if_every_value_is_right, 0,
			    ARRAY_SIZE(memberships));
	tcase_add_loop_test(tc, snapshot_is_taken_if_every_value_is_right, 0,
			    ARRAY_SIZE(shots));
	tcase_add_test(tc, snapshot_that_is_held_is_known);
	tcase_add_loop_test(tc, document_is_taken_if_every_value_is_right, 0,
			    ARRAY_SIZE(policies));
	tcase_add_loop_test(tc, document_does_not_stand_in_for_another, 0,
			    ARRAY_SIZE(stand_ins));
	tcase_add_loop_test(tc, root_is_taken_if_it_follows, 0,
			    ARRAY_SIZE(roots));
	tcase_add_test(tc, change_of_directors_is_noticed);
	tcase_add_test(tc, type_that_no_device_takes_is_refused);
	tcase_add_loop_test(tc, protected_config_is_replaced_by_who_may, 0,
			    ARRAY_SIZE(proofs));
	tcase_add_test(tc, salt_of_the_held_version_is_refused);
	tcase_add_test(tc, presumed_time_keeps_nothing_out);
	tcase_add_test(tc, config_that_was_in_force_stays_protected);
	tcase_add_test(tc, protected_vp_is_not_removed_without_the_password);
	tcase_add_test(tc, image_for_a_newer_program_is_refused);
}

UNIT_MAIN("verify", add)
