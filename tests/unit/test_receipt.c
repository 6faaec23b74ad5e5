/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/document/receipt.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <string.h>

#define DIGEST                                                                 \
	"sha256:"                                                              \
	"0000000000000000000000000000000000000000000000000000000000000001"

static struct err e;
static struct key *key;

/* A right receipt of the key, as JSON that tests may spoil. */
static json_t *good(void)
{
	char epoch[33];
	json_t *j;

	receipt_epoch(key, epoch);
	j = json_pack("{si ss ss ss si ss ss ss s{ss ss si ss} ss ss s{si ss} "
		      "s{ss}}",
		      "format", 1, "type", "refused", "device",
		      "dev-0123456789ab", "epoch", epoch, "seq", 7, "time",
		      "2026-11-20T08:00:00Z", "reason", "err.rollback", "vp",
		      "work", "document", "type", "vp-config", "id", "work",
		      "version", 3, "sha256", DIGEST, "enforcement", "open",
		      "state", DIGEST, "audit", "seq", 12, "head", DIGEST,
		      "details", "text", "older than held");
	return j;
}

static int parse(const json_t *j, struct receipt *r)
{
	auto_free char *text = json_text(j);

	return receipt_parse(text, strlen(text), r, &e);
}

static void setup(void)
{
	ck_assert_int_eq(key_generate(&key, &e), 0);
}

static void teardown(void)
{
	key_free(key);
}

START_TEST(receipt_is_taken_apart)
{
	AUTO(receipt_fini) struct receipt r = { 0 };
	auto_json json_t *j = good();

	ck_assert_msg(parse(j, &r) == 0, "%s", e.text);
	ck_assert_int_eq(r.type, RECEIPT_REFUSED);
	ck_assert_str_eq(r.device, "dev-0123456789ab");
	ck_assert_int_eq(r.seq, 7);
	ck_assert_str_eq(r.reason, "err.rollback");
	ck_assert_str_eq(r.vp, "work");
	ck_assert_str_eq(r.enforcement, "open");
	ck_assert_int_eq(r.audit_seq, 12);
	ck_assert_str_eq(r.audit_head, DIGEST);
	ck_assert_int_eq(
		json_integer_value(json_object_get(r.document, "version")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(r.details, "text")),
			 "older than held");
}
END_TEST

static const char *const optional[] = { "reason", "vp", "document", "details",
					"prev" };

START_TEST(optional_member_may_lack)
{
	AUTO(receipt_fini) struct receipt r = { 0 }, null = { 0 };
	auto_json json_t *j = good();

	json_object_set_new(j, optional[_i], json_null());
	ck_assert_msg(parse(j, &null) == 0, "%s", e.text);
	ck_assert(json_is_object(null.details));
	json_object_del(j, optional[_i]);
	ck_assert_msg(parse(j, &r) == 0, "%s", e.text);
	ck_assert(json_is_object(r.details));
}
END_TEST

static const char *const required[] = { "format",      "type",	"device",
					"epoch",       "seq",	"time",
					"enforcement", "state", "audit" };

START_TEST(required_member_may_not_lack)
{
	auto_json json_t *j = good();
	struct receipt r;

	json_object_del(j, required[_i]);
	ck_assert_int_eq(parse(j, &r), -EINVAL);
}
END_TEST

static json_t *value_of(const char *text)
{
	json_t *j;

	ck_assert_int_eq(json_parse(text, strlen(text), "value", &j, &e), 0);
	return j;
}

/* A member and what it may not be, as JSON. */
static const struct {
	const char *name, *value;
} wrong[] = {
	{ "format", "2" },
	{ "format", "\"1\"" },
	{ "type", "\"done\"" },
	{ "device", "\"\"" },
	{ "device", "\"../x\"" },
	{ "epoch", "\"00\"" },
	{ "seq", "0" },
	{ "seq", "1.0" },
	{ "seq", "-3" },
	{ "prev", "\"7\"" },
	{ "time", "\"2026-11-20\"" },
	{ "reason", "\"rollback\"" },
	{ "vp", "\"Work\"" },
	{ "document", "[]" },
	{ "document", "{}" },
	{ "document",
	  "{\"type\":\"root\",\"id\":\"a b\",\"version\":1,\"sha256\":\"" DIGEST
	  "\"}" },
	{ "document",
	  "{\"type\":\"root\",\"id\":\"a\",\"version\":1,\"sha256\":\"x\"}" },
	{ "document",
	  "{\"type\":\"root\",\"id\":\"a\",\"version\":-1,\"sha256\":\"" DIGEST
	  "\"}" },
	{ "enforcement", "\"strong\"" },
	{ "state", "\"sha256:1\"" },
	{ "audit", "{\"seq\":1}" },
	{ "audit", "{\"seq\":-1,\"head\":\"" DIGEST "\"}" },
	{ "audit", "{\"seq\":1,\"head\":\"" DIGEST "\",\"x\":1}" },
	{ "details", "[]" },
	{ "extra", "1" },
};

START_TEST(misformed_member_is_refused)
{
	auto_json json_t *j = good();
	struct receipt r;

	json_object_set_new(j, wrong[_i].name, value_of(wrong[_i].value));
	ck_assert_int_eq(parse(j, &r), -EINVAL);
}
END_TEST

START_TEST(type_words_are_the_contracts)
{
	static const char *const words[] = {
		"applied",	"refused", "revoked", "switched", "locked",
		"unlocked",	"wiped",   "removed", "started",  "stopped",
		"start-failed", "damaged", "gap"
	};

	for (unsigned int t = 0; t < RECEIPT_TYPE_COUNT; t++) {
		AUTO(receipt_fini) struct receipt r = { 0 };
		auto_json json_t *j = good();

		ck_assert_str_eq(receipt_type_name(t), words[t]);
		json_object_set_new(j, "type", json_string(words[t]));
		ck_assert_int_eq(parse(j, &r), 0);
		ck_assert_int_eq(r.type, t);
	}
}
END_TEST

static json_t *gap(void)
{
	json_t *j = good();

	json_object_set_new(j, "type", json_string("gap"));
	json_object_set_new(j, "details",
			    json_pack("{ss si si ss ss}", "stream", "audit",
				      "from", 3, "to", 9, "digest", DIGEST,
				      "cause", "full"));
	return j;
}

START_TEST(gap_tells_what_is_gone)
{
	AUTO(receipt_fini) struct receipt r = { 0 };
	auto_json json_t *j = gap();
	struct receipt_gap g;

	ck_assert_msg(parse(j, &r) == 0, "%s", e.text);
	ck_assert_msg(receipt_read_gap(&r, &g, &e) == 0, "%s", e.text);
	ck_assert(g.is_audit);
	ck_assert_int_eq(g.from, 3);
	ck_assert_int_eq(g.to, 9);
	ck_assert_uint_eq(g.digest[HASH_SIZE - 1], 1);
	ck_assert_str_eq(g.cause, "full");
}
END_TEST

static const struct {
	const char *name, *value;
} wrong_gaps[] = {
	{ "stream", "\"states\"" },   { "from", "0" },	   { "to", "2" },
	{ "digest", "\"sha256:9\"" }, { "cause", "null" },
};

START_TEST(misformed_gap_is_refused)
{
	AUTO(receipt_fini) struct receipt r = { 0 };
	auto_json json_t *j = gap();
	struct receipt_gap g;

	json_object_set_new(json_object_get(j, "details"), wrong_gaps[_i].name,
			    value_of(wrong_gaps[_i].value));
	ck_assert_int_eq(parse(j, &r), 0);
	ck_assert_int_eq(receipt_read_gap(&r, &g, &e), -EINVAL);
}
END_TEST

static struct envelope *signed_by(const struct key *k, const char *type,
				  const json_t *j)
{
	auto_free char *text = json_text(j);
	struct envelope *env;

	ck_assert_int_eq(envelope_new(type, text, strlen(text), &env, &e), 0);
	ck_assert_int_eq(envelope_sign(env, k, &e), 0);
	return env;
}

START_TEST(receipt_opens_by_its_key_only)
{
	AUTO(receipt_fini) struct receipt r = { 0 };
	AUTO(key_freep) struct key *other = NULL;
	AUTO(envelope_freep) struct envelope *env = NULL, *type = NULL;
	AUTO(envelope_freep) struct envelope *epoch = NULL;
	auto_json json_t *j = good();
	struct receipt none;

	key_generate(&other, &e);
	env = signed_by(key, RECEIPT_TYPE, j);
	ck_assert_msg(receipt_open(env, key, &r, &e) == 0, "%s", e.text);
	ck_assert_int_lt(receipt_open(env, other, &none, &e), 0);
	ck_assert_str_eq(err_code(&e), "err.unknown-key");
	type = signed_by(key, ENVELOPE_TYPE_JSON("audit-head"), j);
	ck_assert_int_lt(receipt_open(type, key, &none, &e), 0);
	ck_assert_str_eq(err_code(&e), "err.envelope");
	/* A key that signs for another enrollment's epoch. */
	epoch = signed_by(other, RECEIPT_TYPE, j);
	ck_assert_int_lt(receipt_open(epoch, other, &none, &e), 0);
	ck_assert_str_eq(err_code(&e), "err.epoch");
	env->signature[0].sig[env->signature[0].sig_len - 1] ^= 1;
	ck_assert_int_lt(receipt_open(env, key, &none, &e), 0);
	ck_assert_str_eq(err_code(&e), "err.signature");
}
END_TEST

/* printf 'group field 5 sha256:01..\nvp-config a 2 sha256:02..\n...' |
 * sha256sum */
START_TEST(state_is_the_digest_of_sorted_lines)
{
	struct receipt_doc docs[] = {
		{ "vp-config", "a-b", 10, { 3 } },
		{ "vp-config", "a", 2, { 2 } },
		{ "group", "field", 5, { 1 } },
	};
	auto_free char *lines = NULL;
	char state[72], want[72], digest[3][ENCODING_DIGEST_SIZE];
	uint8_t sum[HASH_SIZE];

	for (unsigned int i = 0; i < 3; i++)
		encoding_format_digest(docs[2 - i].digest, digest[i]);
	ck_assert_int_ge(asprintf(&lines,
				  "group field 5 %s\nvp-config a 2 %s\n"
				  "vp-config a-b 10 %s\n",
				  digest[0], digest[1], digest[2]),
			 0);
	hash_sha256(lines, strlen(lines), sum);
	encoding_format_digest(sum, want);
	receipt_state_digest(docs, 3, state);
	ck_assert_str_eq(state, want);
	receipt_state_digest(docs, 0, state);
	ck_assert_str_eq(state, "sha256:e3b0c44298fc1c149afbf4c8996fb924"
				"27ae41e4649b934ca495991b7852b855");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, receipt_is_taken_apart);
	tcase_add_loop_test(tc, optional_member_may_lack, 0,
			    ARRAY_SIZE(optional));
	tcase_add_loop_test(tc, required_member_may_not_lack, 0,
			    ARRAY_SIZE(required));
	tcase_add_loop_test(tc, misformed_member_is_refused, 0,
			    ARRAY_SIZE(wrong));
	tcase_add_test(tc, type_words_are_the_contracts);
	tcase_add_test(tc, gap_tells_what_is_gone);
	tcase_add_loop_test(tc, misformed_gap_is_refused, 0,
			    ARRAY_SIZE(wrong_gaps));
	tcase_add_test(tc, receipt_opens_by_its_key_only);
	tcase_add_test(tc, state_is_the_digest_of_sorted_lines);
}

UNIT_MAIN("receipt", add)
