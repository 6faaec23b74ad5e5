/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/trust.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

#define KEYS 5
#define LIFE "issued=\"2026-11-20T08:00:00Z\" expires=\"2026-12-10T08:00:00Z\""

/* Keys by letter: a to c are people's, d is the director's, x is nobody's. */
#define LETTERS "abcdx"

static struct err e;
static struct key *keys[KEYS];
static struct doc *root; /* version 1: see setup() */

static struct key *key_of(char letter)
{
	return keys[strchr(LETTERS, letter) - LETTERS];
}

static char *key_element(char letter)
{
	auto_free char *spki = NULL;
	const void *der;
	size_t len;

	der = key_spki(key_of(letter), &len);
	spki = encoding_to_base64(der, len);
	return unit_text("<key id=\"%s\" name=\"%c\" spki=\"%s\"/>",
			 key_id(key_of(letter)), letter, spki);
}

/* "policy 2 abc": threshold and members of a role. */
static char *role_element(const char *spec)
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

/* A root of all keys but x; roles end with NULL. */
static char *root_xml(const char *org, unsigned int version,
		      const char *const *roles)
{
	char *s = unit_text(
		"<root xmlns=\"urn:cells:root:1\" org=\"%s\" id=\"root\" "
		"version=\"%u\" " LIFE ">",
		org, version);

	for (const char *k = "abcd"; *k; k++)
		s = unit_text("%s%s", s, key_element(*k));
	for (; *roles; roles++)
		s = unit_text("%s%s", s, role_element(*roles));
	return unit_text("%s</root>", s);
}

static const char *const roles_1[] = {
	"root 2 abc",	"policy 2 abc", "image 1 b", "command 1 abc",
	"destroy 2 ab", "director 1 d", NULL,
};

/* An envelope signed by the letters; a capital spoils its signature. */
static struct envelope *sign(const char *type, const char *xml,
			     const char *signers)
{
	struct envelope *env;

	ck_assert_msg(envelope_new(type, xml, strlen(xml), &env, &e) == 0, "%s",
		      e.text);
	for (; *signers; signers++) {
		struct envelope_signature *s;

		ck_assert_int_eq(
			envelope_sign(env, key_of(*signers | 0x20), &e), 0);
		s = &env->signature[env->n_signatures - 1];
		if (!(*signers & 0x20))
			s->sig[s->sig_len - 1] ^= 1;
	}
	return env;
}

static void setup(void)
{
	const char *xml;

	for (unsigned int i = 0; i < KEYS; i++)
		ck_assert_int_eq(key_generate(&keys[i], &e), 0);
	xml = root_xml("acme", 1, roles_1);
	ck_assert_msg(doc_parse(DOC_ROOT, xml, strlen(xml), &root, &e) == 0,
		      "%s", e.text);
}

static void teardown(void)
{
	doc_free(root);
	for (unsigned int i = 0; i < KEYS; i++)
		key_free(keys[i]);
}

#define GROUP(org)                                                             \
	"<group xmlns=\"urn:cells:group:1\" org=\"" org "\" id=\"field\" "     \
	"version=\"1\" " LIFE "><policy id=\"base\" min-version=\"1\"/>"       \
	"</group>"

static const struct {
	const char *signers;
	enum reason want;
	const char *names;
} policies[] = {
	{ "ab", REASON_NONE, "a, b" },	  { "cba", REASON_NONE, "a, b, c" },
	{ "abx", REASON_NONE, "a, b" },	  { "Cab", REASON_NONE, "a, b" },
	{ "a", REASON_THRESHOLD, "a" },	  { "ax", REASON_THRESHOLD, "a" },
	{ "ad", REASON_THRESHOLD, "a" },  { "aB", REASON_THRESHOLD, "a" },
	{ "A", REASON_SIGNATURE, "" },	  { "ABC", REASON_SIGNATURE, "" },
	{ "AX", REASON_SIGNATURE, "" },	  { "", REASON_UNKNOWN_KEY, "" },
	{ "x", REASON_UNKNOWN_KEY, "" },  { "d", REASON_UNKNOWN_KEY, "" },
	{ "dx", REASON_UNKNOWN_KEY, "" },
};

START_TEST(threshold_counts_keys_of_the_role)
{
	AUTO(envelope_freep)
	struct envelope *env = sign(ENVELOPE_TYPE_XML("group"), GROUP("acme"),
				    policies[_i].signers);
	AUTO(doc_freep) struct doc *doc = NULL;
	struct threshold_result t;
	char names[64];
	int r;

	e.reason = REASON_NONE;
	r = trust_open(doc_as_root(root), env, &doc, &t, &e);
	ck_assert_int_eq(e.reason, policies[_i].want);
	ck_assert_int_eq(r, -reason_errno(policies[_i].want));
	ck_assert(!doc == (r < 0));
	threshold_names(doc_as_root(root), t.signers, names, sizeof(names));
	ck_assert_str_eq(names, policies[_i].names);
	ck_assert_uint_eq(t.threshold, 2);
}
END_TEST

START_TEST(key_counts_once)
{
	AUTO(envelope_freep)
	struct envelope *env =
		sign(ENVELOPE_TYPE_XML("group"), GROUP("acme"), "a");
	struct threshold_result t;

	while (env->n_signatures < ENVELOPE_SIGNATURES_MAX)
		env->signature[env->n_signatures++] = env->signature[0];
	ck_assert_int_eq(threshold_check(doc_as_root(root), env, NULL, &t, &e),
			 -EKEYREJECTED);
	ck_assert_int_eq(e.reason, REASON_THRESHOLD);
	ck_assert_uint_eq(t.count, 1);
}
END_TEST

/* A wrong signature in front must not keep the key's right one from counting.
 */
START_TEST(right_signature_counts_behind_a_wrong_one)
{
	AUTO(envelope_freep)
	struct envelope *env =
		sign(ENVELOPE_TYPE_XML("group"), GROUP("acme"), "ab");

	env->signature[2] = env->signature[0];
	env->signature[0].sig[env->signature[0].sig_len - 1] ^= 1;
	env->n_signatures = 3;
	ck_assert_msg(threshold_check(doc_as_root(root), env, NULL, NULL, &e) ==
			      0,
		      "%s", e.text);
}
END_TEST

/* A signature over other bytes, another type, or under another's keyid. */
START_TEST(signature_holds_for_its_document_type_and_key)
{
	AUTO(envelope_freep)
	struct envelope *group =
		sign(ENVELOPE_TYPE_XML("group"), GROUP("acme"), "ab");
	AUTO(envelope_freep)
	struct envelope *other =
		sign(ENVELOPE_TYPE_XML("group"), GROUP("acme") " ", "");
	AUTO(envelope_freep)
	struct envelope *type =
		sign(ENVELOPE_TYPE_XML("device-policy"), GROUP("acme"), "");

	other->n_signatures = type->n_signatures = 2;
	memcpy(other->signature, group->signature, sizeof(group->signature));
	memcpy(type->signature, group->signature, sizeof(group->signature));
	ck_assert_int_lt(
		threshold_check(doc_as_root(root), other, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_SIGNATURE);
	ck_assert_int_lt(
		threshold_check(doc_as_root(root), type, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_SIGNATURE);
	memcpy(group->signature[1].keyid, key_id(key_of('c')), KEY_ID_SIZE);
	ck_assert_int_lt(
		threshold_check(doc_as_root(root), group, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_THRESHOLD);
}
END_TEST

static const struct {
	const char *action, *signers;
	enum reason want;
} commands[] = {
	{ "lock", "a", REASON_NONE },
	{ "lock", "c", REASON_NONE },
	{ "wipe", "ab", REASON_NONE },
	{ "remove", "ab", REASON_NONE },
	{ "wipe", "abc", REASON_NONE },
	/* c has command, but not destroy. */
	{ "wipe", "c", REASON_UNKNOWN_KEY },
	{ "wipe", "a", REASON_THRESHOLD },
	{ "remove", "ac", REASON_THRESHOLD },
	{ "wipe", "Ac", REASON_SIGNATURE },
	{ "lock", "d", REASON_UNKNOWN_KEY },
	{ "lock", "A", REASON_SIGNATURE },
};

START_TEST(action_demands_its_own_role)
{
	AUTO(envelope_freep)
	struct envelope *env = sign(
		ENVELOPE_TYPE_XML("command"),
		unit_text("<command xmlns=\"urn:cells:command:1\" org=\"acme\" "
			  "id=\"c-1\" version=\"1\" " LIFE
			  " device=\"dev-0123456789ab\" "
			  "epoch=\"00112233445566778899aabbccddeeff\" "
			  "vp=\"work\" action=\"%s\"/>",
			  commands[_i].action),
		commands[_i].signers);
	AUTO(doc_freep) struct doc *doc = NULL;
	struct threshold_result t;

	e.reason = REASON_NONE;
	trust_open(doc_as_root(root), env, &doc, &t, &e);
	ck_assert_msg(e.reason == commands[_i].want, "%s", e.text);
	ck_assert_uint_eq(t.threshold,
			  strcmp(commands[_i].action, "lock") == 0 ? 1
			  : commands[_i].want == REASON_NONE	   ? 2
							     : t.threshold);
}
END_TEST

START_TEST(roles_are_kept_apart)
{
	AUTO(envelope_freep)
	struct envelope *snapshot =
		sign(ENVELOPE_TYPE_JSON("snapshot"), "{}", "abc");
	AUTO(envelope_freep)
	struct envelope *by_d = sign(ENVELOPE_TYPE_JSON("snapshot"), "{}", "d");
	AUTO(envelope_freep)
	struct envelope *image =
		sign(ENVELOPE_TYPE_XML("image"), "<image/>", "ac");
	AUTO(envelope_freep)
	struct envelope *receipt =
		sign(ENVELOPE_TYPE_JSON("receipt"), "{}", "abcd");
	AUTO(envelope_freep)
	struct envelope *odd =
		sign("application/vnd.cells.group+json", "{}", "abcd");
	struct doc *doc;

	ck_assert_int_lt(
		threshold_check(doc_as_root(root), snapshot, NULL, NULL, &e),
		0);
	ck_assert_int_eq(e.reason, REASON_UNKNOWN_KEY);
	ck_assert_int_eq(
		threshold_check(doc_as_root(root), by_d, NULL, NULL, &e), 0);
	ck_assert_int_lt(trust_open(doc_as_root(root), by_d, &doc, NULL, &e),
			 0);
	ck_assert_int_eq(e.reason, REASON_ENVELOPE);
	ck_assert_int_lt(
		threshold_check(doc_as_root(root), image, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_UNKNOWN_KEY);
	ck_assert_int_lt(
		threshold_check(doc_as_root(root), receipt, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_ENVELOPE);
	ck_assert_int_lt(
		threshold_check(doc_as_root(root), odd, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_ENVELOPE);
}
END_TEST

START_TEST(role_that_the_root_lacks_is_nobodys)
{
	static const char *const roles[] = { "root 1 a", "director 1 d", NULL };
	const char *xml = root_xml("acme", 1, roles);
	AUTO(doc_freep) struct doc *bare = NULL;
	AUTO(envelope_freep)
	struct envelope *env =
		sign(ENVELOPE_TYPE_XML("group"), GROUP("acme"), "abc");

	ck_assert_int_eq(doc_parse(DOC_ROOT, xml, strlen(xml), &bare, &e), 0);
	ck_assert_int_lt(
		threshold_check(doc_as_root(bare), env, NULL, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_UNKNOWN_KEY);
}
END_TEST

START_TEST(other_org_is_refused)
{
	AUTO(envelope_freep)
	struct envelope *env =
		sign(ENVELOPE_TYPE_XML("group"), GROUP("other"), "ab");
	struct doc *doc;

	ck_assert_int_lt(trust_open(doc_as_root(root), env, &doc, NULL, &e), 0);
	ck_assert_int_eq(e.reason, REASON_WRONG_ORG);
}
END_TEST

/* Broken XML must not be looked at before its signatures are enough. */
START_TEST(payload_is_parsed_behind_the_threshold_only)
{
	AUTO(envelope_freep)
	struct envelope *weak = sign(ENVELOPE_TYPE_XML("group"), "<group", "a");
	AUTO(envelope_freep)
	struct envelope *strong =
		sign(ENVELOPE_TYPE_XML("group"), "<group", "ab");
	struct doc *doc;

	ck_assert_int_lt(trust_open(doc_as_root(root), weak, &doc, NULL, &e),
			 0);
	ck_assert_int_eq(e.reason, REASON_THRESHOLD);
	ck_assert_int_lt(trust_open(doc_as_root(root), strong, &doc, NULL, &e),
			 0);
	ck_assert_int_eq(e.reason, REASON_SCHEMA);
}
END_TEST

/* The next root takes c out of role root: it takes two of old and of new. */
static const char *const roles_2[] = {
	"root 2 abd",
	"policy 2 abc",
	"director 1 d",
	NULL,
};

static const struct {
	const char *org;
	unsigned int version;
	const char *signers;
	enum reason want;
} steps[] = {
	{ "acme", 2, "ab", REASON_NONE },
	{ "acme", 2, "bca", REASON_NONE },
	/* Two of the old, one of them in the new. */
	{ "acme", 2, "bc", REASON_ROOT_CHAIN },
	/* Two of the new, one of them in the old. */
	{ "acme", 2, "ad", REASON_ROOT_CHAIN },
	/* One signature may serve both. */
	{ "acme", 2, "acd", REASON_NONE },
	{ "acme", 2, "aB", REASON_ROOT_CHAIN },
	{ "acme", 2, "", REASON_ROOT_CHAIN },
	{ "acme", 1, "ab", REASON_ROOT_CHAIN },
	{ "acme", 3, "ab", REASON_ROOT_CHAIN },
	{ "other", 2, "ab", REASON_WRONG_ORG },
};

START_TEST(next_root_needs_both_thresholds)
{
	AUTO(envelope_freep)
	struct envelope *env =
		sign(ENVELOPE_TYPE_XML("root"),
		     root_xml(steps[_i].org, steps[_i].version, roles_2),
		     steps[_i].signers);
	AUTO(doc_freep) struct doc *next = NULL, *again = NULL;
	int r;

	e.reason = REASON_NONE;
	r = trust_open_next_root(doc_as_root(root), env, &next, &e);
	ck_assert_msg(e.reason == steps[_i].want, "%s", e.text);
	ck_assert_int_eq(r, -reason_errno(steps[_i].want));
	/* The general way is not a way around. */
	ck_assert_int_eq(r < 0, trust_open(doc_as_root(root), env, &again, NULL,
					   &e) < 0);
}
END_TEST

START_TEST(next_root_of_another_type_is_refused)
{
	AUTO(envelope_freep)
	struct envelope *env = sign(ENVELOPE_TYPE_XML("group"),
				    root_xml("acme", 2, roles_2), "ab");
	struct doc *doc;

	ck_assert_int_lt(trust_open_next_root(doc_as_root(root), env, &doc, &e),
			 0);
	ck_assert_int_eq(e.reason, REASON_ENVELOPE);
}
END_TEST

START_TEST(pinned_root_needs_its_digest_and_its_own_threshold)
{
	const char *xml = root_xml("acme", 1, roles_1);
	AUTO(envelope_freep)
	struct envelope *good = sign(ENVELOPE_TYPE_XML("root"), xml, "ab");
	AUTO(envelope_freep)
	struct envelope *weak = sign(ENVELOPE_TYPE_XML("root"), xml, "a");
	AUTO(doc_freep) struct doc *doc = NULL;
	struct doc *none;
	uint8_t pin[HASH_SIZE];

	hash_sha256(xml, strlen(xml), pin);
	ck_assert_msg(trust_open_pinned_root(good, pin, &doc, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(doc->head.version, 1);
	ck_assert_int_lt(trust_open_pinned_root(weak, pin, &none, &e), 0);
	ck_assert_int_eq(e.reason, REASON_THRESHOLD);
	pin[0] ^= 1;
	ck_assert_int_lt(trust_open_pinned_root(good, pin, &none, &e), 0);
	ck_assert_int_eq(e.reason, REASON_ROOT_CHAIN);
}
END_TEST

START_TEST(names_fit_their_room)
{
	char names[5];

	threshold_names(doc_as_root(root), 7, names, sizeof(names));
	ck_assert_str_eq(names, "a, b");
	threshold_names(doc_as_root(root), 0, names, sizeof(names));
	ck_assert_str_eq(names, "");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, threshold_counts_keys_of_the_role, 0,
			    ARRAY_SIZE(policies));
	tcase_add_test(tc, key_counts_once);
	tcase_add_test(tc, right_signature_counts_behind_a_wrong_one);
	tcase_add_test(tc, signature_holds_for_its_document_type_and_key);
	tcase_add_loop_test(tc, action_demands_its_own_role, 0,
			    ARRAY_SIZE(commands));
	tcase_add_test(tc, roles_are_kept_apart);
	tcase_add_test(tc, role_that_the_root_lacks_is_nobodys);
	tcase_add_test(tc, other_org_is_refused);
	tcase_add_test(tc, payload_is_parsed_behind_the_threshold_only);
	tcase_add_loop_test(tc, next_root_needs_both_thresholds, 0,
			    ARRAY_SIZE(steps));
	tcase_add_test(tc, next_root_of_another_type_is_refused);
	tcase_add_test(tc, pinned_root_needs_its_digest_and_its_own_threshold);
	tcase_add_test(tc, names_fit_their_room);
}

UNIT_MAIN("trust", add)
