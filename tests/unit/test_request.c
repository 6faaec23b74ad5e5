/* SPDX-License-Identifier: Apache-2.0 */
/* What the server decides about a request: who may, and what a refusal leaves.
 */
#include "mgmt-server/api/request.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/crypto/key.h"
#include "lib/crypto/x509.h"
#include "lib/db.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "mgmt-server/api/route.h"
#include "mgmt-server/mgmtd.h"
#include "mgmt-server/server.h"
#include "tests/unit/unit.h"
#include "tests/unit/unitserver.h"

#include <errno.h>
#include <string.h>

static struct server *server;
static struct key *keys[2]; /* of alice and bob */
static struct err e;

static void setup(void)
{
	server = unit_server();
	server->conf.token_rate = server->conf.address_rate = 1000000;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		ck_assert_int_eq(key_generate(&keys[i], &e), 0);
}

static void teardown(void)
{
	mgmtd_free(server);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		key_free(keys[i]);
}

static void sql(const char *text)
{
	ck_assert_msg(db_exec(server->db, text, &e) == 0, "%s: %s", text,
		      e.text);
}

static int64_t number(const char *query)
{
	AUTO(db_done) struct db_row *row = NULL;
	int r = 0;

	ck_assert_int_eq(db_query_values(server->db, &row, &e, query, NULL, 0),
			 0);
	ck_assert(db_next(row, &r, &e));
	return db_int(row, 0);
}

/* One request, as http_server.c makes it. */
static void ask(struct request *rq, enum method m, const char *path,
		const char *body)
{
	request_init(rq, &server->requests);
	rq->method = m;
	snprintf(rq->path, sizeof(rq->path), "%s", path);
	snprintf(rq->from, sizeof(rq->from), "192.0.2.1");
	rq->body = body ? strdup(body) : NULL;
	rq->len = body ? strlen(body) : 0;
}

/* By a token of that role; "": without one. groups is a JSON list or NULL. */
static void log_in(struct request *rq, const char *role, const char *groups)
{
	auto_json json_t *list = groups ? json_from_text(groups) : NULL;
	char token[65], id[17];

	if (!*role)
		return;
	ck_assert_int_eq(token_create(server->db, "test", NULL, role, list,
				      clock_wall() + 100, token, id, &e),
			 0);
	ck_assert_int_eq(token_authenticate(server->db, token, &rq->caller, &e),
			 0);
}

/* Admits and runs it; its status, and where asked its code. */
static int run(struct request *rq, const char **ret_code)
{
	static char code[64];
	auto_json json_t *j = NULL;

	if (route_check_request(rq) == 0)
		ck_assert(route_run_request(rq));
	j = json_from_text(rq->answer.body ? rq->answer.body : "{}");
	snprintf(code, sizeof(code), "%s",
		 json_string_value(json_object_get(j, "code"))
			 ? json_string_value(json_object_get(j, "code"))
			 : "");
	if (ret_code)
		*ret_code = code;
	return rq->answer.status;
}

static int call(const char *role, enum method m, const char *path,
		const char *body)
{
	struct request rq;
	int status;

	ask(&rq, m, path, body);
	log_in(&rq, role, NULL);
	status = run(&rq, NULL);
	request_fini(&rq);
	return status;
}

/* ---- tokens */
START_TEST(token_opens_until_it_expires)
{
	struct token b = { 0 };
	char token[65], id[17];

	ck_assert_int_eq(token_create(server->db, "x", NULL, "admin", NULL,
				      clock_wall() + 100, token, id, &e),
			 0);
	ck_assert_int_eq(token_authenticate(server->db, token, &b, &e), 0);
	token_fini(&b);
	sql("UPDATE token SET expires = unixepoch() - 1");
	ck_assert_int_eq(token_authenticate(server->db, token, &b, &e),
			 -PROBLEM_UNAUTHORIZED);
}
END_TEST

START_TEST(token_of_another_text_opens_nothing)
{
	struct token b = { 0 };
	char token[65], id[17];

	ck_assert_int_eq(token_create(server->db, "x", NULL, "admin", NULL,
				      clock_wall() + 100, token, id, &e),
			 0);
	token[0] = token[0] == '0' ? '1' : '0';
	ck_assert_int_eq(token_authenticate(server->db, token, &b, &e),
			 -PROBLEM_UNAUTHORIZED);
}
END_TEST

START_TEST(token_is_not_stored)
{
	char token[65], id[17];

	ck_assert_int_eq(token_create(server->db, "x", NULL, "admin", NULL,
				      clock_wall() + 100, token, id, &e),
			 0);
	ck_assert_int_eq(number(unit_text("SELECT count(*) FROM token WHERE"
					  " hash IN ('%s', x'%s', CAST('%s' AS"
					  " BLOB))",
					  token, token, token)),
			 0);
}
END_TEST

/* ---- rights */
/* The least right of each route, written down once more, by hand. */
static const struct {
	enum right right;
	const char *names;
} rights[] = {
	{ RIGHT_PUBLIC, " health ready metrics ca login enroll renew"
			" device-channel " },
	{ RIGHT_READ,
	  " server self events devices device device-keys device-vps"
	  " device-access device-explain device-snapshot device-receipts"
	  " device-actions action groups group documents document"
	  " document-envelope document-version document-version-envelope"
	  " roots root images image access plan chunk " },
	{ RIGHT_AUDIT,
	  " device-audit device-batches audit audit-head audit-inclusion"
	  " audit-consistency audit-export audit-restored access-used "
	  "access-denied " },
	{ RIGHT_OPERATE,
	  " device-change device-retire device-checked action-cancel"
	  " enrolments enrolment-create enrolment enrolment-revoke " },
	{ RIGHT_SUBMIT, " action-create document-submit document-withdraw " },
	{ RIGHT_IMAGE, " chunks-missing chunk-put " },
	{ RIGHT_ADMIN,
	  " root-submit users user-create user user-change user-delete"
	  " tokens token-create token-delete " },
};

static void check_written_right(const struct route *rt)
{
	const char *name = unit_text(" %s ", rt->name);
	size_t i = 0;

	while (i < ARRAY_SIZE(rights) && !strstr(rights[i].names, name))
		i++;
	ck_assert_msg(i < ARRAY_SIZE(rights),
		      "%s: write its right down here too", rt->name);
	ck_assert_msg(rt->right == rights[i].right, "%s", rt->name);
}

START_TEST(route_demands_the_right_that_is_written_here)
{
	for (size_t i = 0; i < route_count; i++)
		check_written_right(&route_table[i]);
}
END_TEST

/* A path of the route, each parameter an x. */
static const char *path_of(const struct route *rt)
{
	static char path[REQUEST_PATH_MAX];
	char *out = path;

	for (const char *p = rt->path; *p; p++) {
		*out++ = *p == '{' ? 'x' : *p;
		if (*p == '{')
			p += strcspn(p, "}");
	}
	*out = '\0';
	return path;
}

static int admitted(const struct route *rt, const char *role,
		    const char *groups)
{
	struct request rq;
	int r;

	ask(&rq, rt->method, path_of(rt), NULL);
	log_in(&rq, role, groups);
	r = route_check_request(&rq);
	request_fini(&rq);
	return r;
}

static const char *const role_names[] = { "viewer",	 "auditor",
					  "operator",	 "policy-admin",
					  "image-admin", "admin" };

static void check_callers(const struct route *rt)
{
	ck_assert_int_eq(admitted(rt, "", NULL),
			 rt->right ? -PROBLEM_UNAUTHORIZED : 0);
	for (size_t i = 0; i < ARRAY_SIZE(role_names); i++) {
		unsigned int have = token_get_role_rights(role_names[i]);

		ck_assert_int_eq(admitted(rt, role_names[i], NULL),
				 !rt->right || have & rt->right
					 ? 0
					 : -PROBLEM_FORBIDDEN);
	}
}

START_TEST(only_a_caller_with_the_right_is_admitted)
{
	for (size_t i = 0; i < route_count; i++)
		if (route_table[i].port & ROUTE_ADMIN)
			check_callers(&route_table[i]);
}
END_TEST

START_TEST(administrator_of_some_groups_does_not_administer)
{
	for (size_t i = 0; i < route_count; i++)
		if (route_table[i].right == RIGHT_ADMIN)
			ck_assert_int_eq(admitted(&route_table[i], "admin",
						  "[\"field\"]"),
					 -PROBLEM_FORBIDDEN);
}
END_TEST

START_TEST(device_port_is_for_devices)
{
	struct request rq;

	ask(&rq, METHOD_GET, "/v1/chunks/x", NULL);
	rq.device_port = true;
	ck_assert_int_eq(route_check_request(&rq), -PROBLEM_FORBIDDEN);
	request_fini(&rq);
	ask(&rq, METHOD_GET, "/v1/devices", NULL);
	rq.device_port = true;
	snprintf(rq.device, sizeof(rq.device), "dev-0123456789ab");
	ck_assert_int_eq(route_check_request(&rq), -PROBLEM_NOT_FOUND);
	request_fini(&rq);
}
END_TEST

static int ask_often(const char *role, unsigned int n)
{
	struct request rq;
	int r = 0;

	ask(&rq, METHOD_GET, "/v1/devices", NULL);
	log_in(&rq, role, NULL);
	while (r == 0 && n-- > 0)
		r = route_check_request(&rq);
	request_fini(&rq);
	return r;
}

START_TEST(token_asks_at_its_rate_at_most)
{
	server->conf.token_rate = 1;
	ck_assert_int_eq(ask_often("viewer", 3), -PROBLEM_LIMITED);
}
END_TEST

START_TEST(address_asks_at_its_rate_at_most)
{
	struct request rq;

	server->conf.address_rate = 1;
	ask(&rq, METHOD_GET, "/healthz", NULL);
	ck_assert_int_eq(route_check_request(&rq), 0);
	ck_assert_int_eq(route_check_request(&rq), 0);
	ck_assert_int_eq(route_check_request(&rq), -PROBLEM_LIMITED);
	request_fini(&rq);
}
END_TEST

/* ---- enrollment */
static char *applicant(struct key *identity, struct key *receipts,
		       const char *admit)
{
	auto_free char *a = NULL, *b = NULL;
	auto_json json_t *j = NULL;

	ck_assert_int_eq(x509_request(identity, "x", &a, &e), 0);
	ck_assert_int_eq(x509_request(receipts, "x", &b, &e), 0);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "admit", admit, "bind",
		      admit, "identity_csr", a, "receipt_csr", b, "name",
		      "phone");
	return json_text(j);
}

/* A token for one device, and what a device that has it sends. */
static char *token_and_applicant(void)
{
	uint8_t admit[HASH_SIZE], digest[HASH_SIZE];
	char hex[2 * HASH_SIZE + 1], stored[2 * HASH_SIZE + 1];

	hash_random(admit, sizeof(admit));
	encoding_to_hex(admit, sizeof(admit), hex);
	hash_sha256(admit, sizeof(admit), digest);
	encoding_to_hex(digest, sizeof(digest), stored);
	ck_assert_int_eq(call("operator", METHOD_POST, "/v1/enrolments",
			      unit_text("{\"admit_sha256\": \"%s\", \"group\":"
					" \"field\", \"ttl\": 100}",
					stored)),
			 201);
	return applicant(keys[0], keys[1], hex);
}

#define USED "SELECT sum(used) FROM enrolment"
#define DEVICES "SELECT count(*) FROM device"

static int enrol(const char *body)
{
	return call("", METHOD_POST, "/v1/enroll", body);
}

START_TEST(token_admits_one_device)
{
	auto_free char *body = token_and_applicant();

	ck_assert_int_eq(enrol(body), 201);
	sql("DELETE FROM epoch; DELETE FROM device");
	ck_assert_int_eq(enrol(body), 403);
	ck_assert_int_eq(number(DEVICES), 0);
}
END_TEST

static const char *const spoiled[] = {
	"UPDATE enrolment SET expires = unixepoch() - 1",
	"UPDATE enrolment SET revoked = 1",
	"UPDATE enrolment SET admit = 'x'",
};

START_TEST(token_that_does_not_hold_admits_nobody)
{
	auto_free char *body = token_and_applicant();

	sql(spoiled[_i]);
	ck_assert_int_eq(enrol(body), 403);
	ck_assert_int_eq(number(DEVICES), 0);
}
END_TEST

/* The token is used up before the device is looked at. */
START_TEST(refused_write_is_undone)
{
	auto_free char *body = token_and_applicant();

	sql(unit_text("INSERT INTO device (id, name, grp, state, epoch,"
		      " enrolled) VALUES ('dev-%.12s', 'x', 'field', 'retired',"
		      " 'e', 1)",
		      key_id(keys[0])));
	ck_assert_int_eq(enrol(body), 403);
	ck_assert_int_eq(number(USED), 0);
	sql("UPDATE device SET state = 'active'");
	ck_assert_int_eq(enrol(body), 201);
	ck_assert_int_eq(number(USED), 1);
}
END_TEST

START_TEST(keys_enroll_once)
{
	auto_free char *body = token_and_applicant(), *again = NULL;

	ck_assert_int_eq(enrol(body), 201);
	again = token_and_applicant();
	ck_assert_int_eq(enrol(again), 409);
}
END_TEST

START_TEST(identity_and_receipts_have_keys_of_their_own)
{
	auto_free char *body = token_and_applicant(), *one = NULL;
	auto_json json_t *j = json_from_text(body);

	json_object_set(j, "receipt_csr", json_object_get(j, "identity_csr"));
	one = json_text(j);
	ck_assert_int_eq(enrol(one), 400);
}
END_TEST

START_TEST(operator_of_a_group_enrolls_into_it_only)
{
	struct request rq;

	for (unsigned int i = 0; i < 2; i++) {
		ask(&rq, METHOD_POST, "/v1/enrolments",
		    unit_text("{\"admit_sha256\": \"%064u\", \"group\": \"%s\","
			      " \"ttl\": 100}",
			      i, i ? "field" : "office"));
		log_in(&rq, "operator", "[\"field\"]");
		ck_assert_int_eq(run(&rq, NULL), i ? 201 : 403);
		request_fini(&rq);
	}
}
END_TEST

START_TEST(write_leaves_a_trace_and_so_does_its_refusal)
{
	const char *made = "SELECT count(*) FROM leaf";
	auto_free char *body = token_and_applicant();
	int64_t before = number(made);

	sql("UPDATE enrolment SET revoked = 1");
	ck_assert_int_eq(enrol(body), 403);
	ck_assert_int_eq(number(made), before + 1);
	sql("UPDATE enrolment SET revoked = 0");
	ck_assert_int_eq(enrol(body), 201);
	ck_assert_int_eq(number(made), before + 2);
}
END_TEST

/* ---- documents */
static char *key_element(unsigned int i)
{
	auto_free char *spki = NULL;
	const void *der;
	size_t len;

	der = key_spki(keys[i], &len);
	spki = encoding_to_base64(der, len);
	return unit_text("<key id=\"%s\" name=\"%s\" spki=\"%s\"/>",
			 key_id(keys[i]), i ? "bob" : "alice", spki);
}

static const char *life(int64_t from, int64_t to)
{
	char issued[ENCODING_TIME_SIZE], expires[ENCODING_TIME_SIZE];

	encoding_format_time(clock_wall() + from, issued);
	encoding_format_time(clock_wall() + to, expires);
	return unit_text("issued=\"%s\" expires=\"%s\"", issued, expires);
}

/* Signed by the first n keys. */
static char *envelope(enum doc_type type, const char *xml, unsigned int n)
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	char *text;

	ck_assert_int_eq(envelope_new(doc_payload_type(type), xml, strlen(xml),
				      &env, &e),
			 0);
	for (unsigned int i = 0; i < n; i++)
		ck_assert_int_eq(envelope_sign(env, keys[i], &e), 0);
	ck_assert_int_eq(envelope_text(env, &text, &e), 0);
	return text;
}

/* Alice alone signs all but policies, which need both. */
static void found_root(void)
{
	static const char *const roles[] = { "root", "image", "command",
					     "destroy", "director" };
	char *xml =
		unit_text("<root xmlns=\"urn:cells:root:1\" org=\"acme\""
			  " id=\"root\" version=\"1\" %s>%s%s",
			  life(-10, 100000), key_element(0), key_element(1));
	auto_free char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		xml = unit_text("%s<role name=\"%s\" threshold=\"1\"><keyid>%s"
				"</keyid></role>",
				xml, roles[i], key_id(keys[0]));
	xml = unit_text("%s<role name=\"policy\" threshold=\"2\"><keyid>%s"
			"</keyid><keyid>%s</keyid></role></root>",
			xml, key_id(keys[0]), key_id(keys[1]));
	text = envelope(DOC_ROOT, xml, 1);
	ck_assert_int_eq(call("admin", METHOD_POST, "/v1/roots", text), 201);
}

static char *policy(unsigned int version, const char *org, const char *lives,
		    unsigned int signers)
{
	return envelope(DOC_DEVICE_POLICY,
			unit_text("<device-policy xmlns="
				  "\"urn:cells:device-policy:1\" org=\"%s\""
				  " id=\"base\" version=\"%u\" %s><vp"
				  " id=\"work\"><default mode=\"none\"/></vp>"
				  "</device-policy>",
				  org, version, lives),
			signers);
}

static int submit(const char *role, const char *groups, char *text,
		  const char **ret_code)
{
	struct request rq;
	int status;

	ask(&rq, METHOD_POST, "/v1/documents", text);
	free(text);
	log_in(&rq, role, groups);
	status = run(&rq, ret_code);
	request_fini(&rq);
	return status;
}

#define VALID                                                                  \
	"SELECT count(*) FROM document WHERE type <> 'root' AND state = "      \
	"'valid'"

START_TEST(document_is_submitted_by_the_role_of_its_type)
{
	found_root();
	ck_assert_int_eq(submit("operator", NULL,
				policy(1, "acme", life(-1, 1000), 2), NULL),
			 403);
	ck_assert_int_eq(submit("image-admin", NULL,
				policy(1, "acme", life(-1, 1000), 2), NULL),
			 403);
	ck_assert_int_eq(number(VALID), 0);
	ck_assert_int_eq(submit("policy-admin", NULL,
				policy(1, "acme", life(-1, 1000), 2), NULL),
			 201);
	ck_assert_int_eq(number(VALID), 1);
}
END_TEST

START_TEST(document_under_its_threshold_waits)
{
	const char *lives = life(-1, 1000);

	found_root();
	ck_assert_int_eq(
		submit("policy-admin", NULL, policy(1, "acme", lives, 1), NULL),
		201);
	ck_assert_int_eq(number(VALID), 0);
	ck_assert_int_eq(
		submit("policy-admin", NULL, policy(1, "acme", lives, 2), NULL),
		200);
	ck_assert_int_eq(number(VALID), 1);
}
END_TEST

START_TEST(document_that_a_device_would_refuse_is_refused_here)
{
	const char *code;

	found_root();
	ck_assert_int_eq(submit("policy-admin", NULL,
				policy(2, "acme", life(-1, 1000), 2), NULL),
			 201);
	submit("policy-admin", NULL, policy(3, "other", life(-1, 1000), 2),
	       &code);
	ck_assert_str_eq(code, "err.wrong-org");
	submit("policy-admin", NULL, policy(3, "acme", life(-20, -10), 2),
	       &code);
	ck_assert_str_eq(code, "err.expired");
	submit("policy-admin", NULL, policy(3, "acme", life(1000, 2000), 2),
	       &code);
	ck_assert_str_eq(code, "err.not-yet-valid");
	submit("policy-admin", NULL, policy(1, "acme", life(-1, 1000), 2),
	       &code);
	ck_assert_str_eq(code, "err.rollback");
	submit("policy-admin", NULL, policy(2, "acme", life(-1, 2000), 2),
	       &code);
	ck_assert_str_eq(code, "err.equivocation");
	ck_assert_int_eq(number(VALID), 1);
}
END_TEST

static char *group_document(const char *id)
{
	return envelope(DOC_GROUP,
			unit_text("<group xmlns=\"urn:cells:group:1\""
				  " org=\"acme\" id=\"%s\" version=\"1\" %s/>",
				  id, life(-1, 1000)),
			2);
}

START_TEST(group_is_changed_by_those_who_see_it)
{
	found_root();
	ck_assert_int_eq(submit("policy-admin", "[\"field\"]",
				group_document("office"), NULL),
			 403);
	ck_assert_int_eq(number(VALID), 0);
	ck_assert_int_eq(submit("policy-admin", "[\"field\"]",
				group_document("field"), NULL),
			 201);
}
END_TEST

START_TEST(withdrawn_document_does_not_come_back)
{
	auto_free char *text = policy(1, "acme", life(-1, 1000), 2);
	char sha256[ENCODING_DIGEST_SIZE];
	AUTO(envelope_freep) struct envelope *env = NULL;
	const char *path;

	found_root();
	ck_assert_int_eq(envelope_parse(text, strlen(text), &env, &e), 0);
	encoding_format_digest(env->digest, sha256);
	ck_assert_int_eq(submit("policy-admin", NULL, strdup(text), NULL), 201);
	path = unit_text("/v1/documents/%s/withdraw", sha256);
	ck_assert_int_eq(call("image-admin", METHOD_POST, path, "{}"), 403);
	ck_assert_int_eq(number(VALID), 1);
	ck_assert_int_eq(call("policy-admin", METHOD_POST, path, "{}"), 200);
	ck_assert_int_eq(submit("policy-admin", NULL, strdup(text), NULL), 409);
	ck_assert_int_eq(number(VALID), 0);
}
END_TEST

/* By one token: a key is its token's. */
static int again(struct token *b, const char *key, char *text)
{
	struct request rq;
	int status;

	ask(&rq, METHOD_POST, "/v1/documents", text);
	free(text);
	rq.caller = *b;
	json_incref(rq.caller.groups);
	snprintf(rq.idempotency_key, sizeof(rq.idempotency_key), "%s", key);
	status = run(&rq, NULL);
	request_fini(&rq);
	return status;
}

START_TEST(request_that_comes_again_is_done_once)
{
	struct request rq;
	struct token b;
	const char *lives = life(-1, 1000);
	int64_t made;

	found_root();
	ask(&rq, METHOD_GET, "/", NULL);
	log_in(&rq, "policy-admin", NULL);
	b = rq.caller;
	ck_assert_int_eq(again(&b, "k", policy(1, "acme", lives, 2)), 201);
	made = number("SELECT count(*) FROM leaf");
	ck_assert_int_eq(again(&b, "k", policy(1, "acme", lives, 2)), 201);
	ck_assert_int_eq(number("SELECT count(*) FROM leaf"), made);
	ck_assert_int_eq(again(&b, "k", policy(2, "acme", lives, 2)), 422);
	ck_assert_int_eq(number(VALID), 1);
	request_fini(&rq);
}
END_TEST

START_TEST(change_of_what_changed_meanwhile_is_refused)
{
	struct request rq;

	request_init(&rq, &server->requests);
	ck_assert_int_eq(request_check_etag(&rq, 3, &e), 0);
	strcpy(rq.if_match, "\"3\"");
	ck_assert_int_eq(request_check_etag(&rq, 3, &e), 0);
	ck_assert_int_eq(request_check_etag(&rq, 4, &e), -PROBLEM_CHANGED);
}
END_TEST

START_TEST(what_went_wrong_inside_is_not_told)
{
	struct request rq;
	struct err why;

	request_init(&rq, &server->requests);
	request_answer_problem(&rq, err_set(&why, EIO, "secret.db"), &why);
	ck_assert_int_eq(rq.answer.status, 500);
	ck_assert_ptr_null(strstr(rq.answer.body, "secret"));
	request_fini(&rq);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, token_opens_until_it_expires);
	tcase_add_test(tc, token_of_another_text_opens_nothing);
	tcase_add_test(tc, token_is_not_stored);
	tcase_add_test(tc, route_demands_the_right_that_is_written_here);
	tcase_add_test(tc, only_a_caller_with_the_right_is_admitted);
	tcase_add_test(tc, administrator_of_some_groups_does_not_administer);
	tcase_add_test(tc, device_port_is_for_devices);
	tcase_add_test(tc, token_asks_at_its_rate_at_most);
	tcase_add_test(tc, address_asks_at_its_rate_at_most);
	tcase_add_test(tc, token_admits_one_device);
	tcase_add_loop_test(tc, token_that_does_not_hold_admits_nobody, 0,
			    ARRAY_SIZE(spoiled));
	tcase_add_test(tc, refused_write_is_undone);
	tcase_add_test(tc, keys_enroll_once);
	tcase_add_test(tc, identity_and_receipts_have_keys_of_their_own);
	tcase_add_test(tc, operator_of_a_group_enrolls_into_it_only);
	tcase_add_test(tc, write_leaves_a_trace_and_so_does_its_refusal);
	tcase_add_test(tc, document_is_submitted_by_the_role_of_its_type);
	tcase_add_test(tc, document_under_its_threshold_waits);
	tcase_add_test(tc, document_that_a_device_would_refuse_is_refused_here);
	tcase_add_test(tc, group_is_changed_by_those_who_see_it);
	tcase_add_test(tc, withdrawn_document_does_not_come_back);
	tcase_add_test(tc, request_that_comes_again_is_done_once);
	tcase_add_test(tc, change_of_what_changed_meanwhile_is_refused);
	tcase_add_test(tc, what_went_wrong_inside_is_not_told);
}

UNIT_MAIN("request", add)
