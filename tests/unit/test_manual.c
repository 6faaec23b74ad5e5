/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The examples of the manual pages on formats, as they are there, by sh, jq
 * and openssl, on files that the library makes: so it is what others can check.
 */
#include "lib/auto.h"
#include "lib/crypto/x509.h"
#include "lib/document/audit.h"
#include "lib/document/envelope.h"
#include "lib/document/receipt.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

#define FILE_MAX (1024 * 1024)
#define PASSWORD "correct horse battery"
#define DEVICE "dev-0123456789ab"

static struct err e;
static const char *dir;
static struct key *alice, *bob;

static void put(const char *name, const char *text)
{
	ck_assert_msg(io_replace_file(unit_text("%s/%s", dir, name), text,
				      strlen(text), 0600, &e) == 0,
		      "%s", e.text);
}

static char *get(const char *path)
{
	char *text;
	size_t len;

	ck_assert_msg(io_read_file(path, FILE_MAX, &text, &len, &e) == 0, "%s",
		      e.text);
	return text;
}

/*
 * The page's displays as a script: "$ " starts a command, white space continues
 * it, anything else is output; \e is how mdoc writes a backslash.
 */
static char *script_of(const char *page)
{
	const char *source = getenv("srcdir");
	auto_free char *text =
		get(unit_text("%s/man/%s", source ? source : ".", page));
	char *script = unit_text("set -e\n"), *rest = text, *line, *p;
	bool is_example = false;

	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, ".Bd", 3) == 0 ||
		    strncmp(line, ".Ed", 3) == 0)
			is_example = line[1] == 'B';
		else if (is_example && (line[0] == ' ' || line[0] == '$')) {
			while ((p = strstr(line, "\\e")))
				memmove(p + 1, p + 2, strlen(p + 2) + 1);
			script = unit_text("%s%s\n", script, line + 1);
		}
	}
	return script;
}

/* Runs the page's examples in the folder; what they print. */
static char *run(const char *page)
{
	put("script", script_of(page));
	ck_assert_msg(system(unit_text("cd %s && PASSWORD='" PASSWORD
				       "' sh script > output",
				       dir)) == 0,
		      "%s", page);
	return get(unit_text("%s/output", dir));
}

static void put_public(const char *name, const struct key *k)
{
	auto_free char *pem = NULL;

	ck_assert_int_eq(key_to_pem(k, false, &pem, &e), 0);
	put(name, pem);
}

static void setup(void)
{
	dir = unit_folder();
	ck_assert_int_eq(key_generate(&alice, &e), 0);
	ck_assert_int_eq(key_generate(&bob, &e), 0);
}

static void teardown(void)
{
	key_free(alice);
	key_free(bob);
}

START_TEST(envelope_is_verified_and_signed)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	auto_free char *json = NULL, *pem = NULL, *output = NULL, *both = NULL;

	ck_assert_int_eq(envelope_make(ENVELOPE_TYPE_XML("group"),
				       "<group>\n\xc3\xa4</group>\n", 19, alice,
				       &json, &e),
			 0);
	put("env.json", json);
	put_public("alice.pem", alice);
	ck_assert_int_eq(key_to_pem(bob, true, &pem, &e), 0);
	put("bob-key.pem", pem);
	output = run("cells-envelope.5");
	ck_assert_str_eq(output, "Verified OK\n");
	both = get(unit_text("%s/both.json", dir));
	ck_assert_msg(envelope_parse(both, strlen(both), &env, &e) == 0, "%s",
		      e.text);
	ck_assert_uint_eq(env->n_signatures, 2);
	ck_assert_int_eq(envelope_verify(env, env->type, bob, &e), 0);
}
END_TEST

START_TEST(key_file_is_opened)
{
	AUTO(key_freep) struct key *k = NULL;
	auto_free char *json = NULL, *output = NULL, *pem = NULL;

	ck_assert_int_eq(key_file_encrypt(alice, "alice", PASSWORD, &json, &e),
			 0);
	put("alice.key", json);
	output = run("cells-key.5");
	ck_assert_int_eq(strncmp(output, key_id(alice), strlen(key_id(alice))),
			 0);
	pem = get(unit_text("%s/alice-key.pem", dir));
	ck_assert_int_eq(key_from_pem(pem, &k, &e), 0);
	ck_assert_str_eq(key_id(k), key_id(alice));
}
END_TEST

static void put_certificate(void)
{
	int64_t now = time(NULL);
	const struct x509_spec spec = { X509_CLIENT, DEVICE, NULL, now,
					now + 86400 };
	auto_free char *pem = NULL;

	ck_assert_int_eq(x509_issue(&spec, alice, alice, NULL, &pem, &e), 0);
	put("receipts.crt", pem);
}

/* Returns the state of two documents, which the receipt names. */
static void put_receipt(char state[72])
{
	struct receipt_doc docs[] = { { "vp-config", "work", 3, { 1 } },
				      { "group", "field", 5, { 2 } } };
	auto_free char *payload = NULL, *json = NULL;
	char digest[2][ENCODING_DIGEST_SIZE], epoch[33];

	receipt_state_digest(docs, 2, state); /* sorts them */
	for (int i = 0; i < 2; i++)
		encoding_format_digest(docs[i].digest, digest[i]);
	receipt_epoch(alice, epoch);
	ck_assert_int_ge(
		asprintf(&payload,
			 "{\"format\":1,\"type\":\"applied\",\"device\":"
			 "\"" DEVICE "\",\"epoch\":\"%s\",\"seq\":7,\"time\":"
			 "\"2026-11-20T08:00:00Z\",\"enforcement\":\"open\","
			 "\"state\":\"%s\",\"audit\":{\"seq\":0,\"head\":"
			 "\"%s\"},\"details\":{\"documents\":[{\"type\":"
			 "\"%s\",\"id\":\"%s\",\"version\":5,\"sha256\":"
			 "\"%s\"},{\"type\":\"%s\",\"id\":\"%s\",\"version\":"
			 "3,\"sha256\":\"%s\"}]}}",
			 epoch, state, digest[0], docs[0].type, docs[0].id,
			 digest[0], docs[1].type, docs[1].id, digest[1]),
		0);
	ck_assert_int_eq(envelope_make(RECEIPT_TYPE, payload, strlen(payload),
				       alice, &json, &e),
			 0);
	put("receipt.json", json);
	/* What the other page says how to make. */
	put("env.json", json);
	put("prepare", script_of("cells-envelope.5"));
	ck_assert_int_eq(
		system(unit_text("cd %s && head -n 5 prepare | sh", dir)), 0);
}

static void put_batch(char head[ENCODING_DIGEST_SIZE])
{
	struct audit_chain c = { 0 };
	auto_json json_t *batch = json_pack("{s[]}", "records");
	auto_free char *envelope = NULL, *text = NULL;

	for (int i = 0; i < 3; i++) {
		auto_json json_t *detail =
			json_pack("{ss}", "x", "a \\ \u00e9");
		auto_free char *record = NULL;

		ck_assert_int_eq(audit_append(&c, AUDIT_OPEN, 1795161600,
					      "work", "camera", detail, &record,
					      &e),
				 0);
		json_array_append_new(json_object_get(batch, "records"),
				      json_string(record));
	}
	ck_assert_int_eq(audit_sign_head(&c, DEVICE, "0", 1795161600, alice,
					 &envelope, &e),
			 0);
	json_object_set_new(batch, "head", json_from_text(envelope));
	text = json_text(batch);
	put("batch.json", text);
	encoding_format_digest(c.head, head);
}

START_TEST(receipt_and_audit_are_verified)
{
	char state[72], head[ENCODING_DIGEST_SIZE], epoch[33];
	auto_free char *output = NULL;

	put_certificate();
	put_receipt(state);
	put_batch(head);
	ck_assert_int_eq(system(unit_text("cd %s && jq -j '.signatures[0].sig' "
					  "receipt.json | base64 -d > sig",
					  dir)),
			 0);
	receipt_epoch(alice, epoch);
	output = run("cells-receipt.5");
	ck_assert_str_eq(output,
			 unit_text("Verified OK\n%s\n%s\n7\napplied\nnull\n"
				   "%s  -\n%s\n%s\n",
				   epoch, epoch, state + strlen("sha256:"),
				   head, head));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, envelope_is_verified_and_signed);
	tcase_add_test(tc, key_file_is_opened);
	tcase_add_test(tc, receipt_and_audit_are_verified);
}

UNIT_MAIN("manual", add)
