/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/protocol.h"

#include "lib/auto.h"
#include "lib/document/envelope.h"
#include "lib/encoding.h"
#include "lib/err.h"
#include "lib/json.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* What the machine asked for, one word after the other. */
static char said[8192];
static struct protocol *p;
static struct err e;
static unsigned int last_id;

static void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	va_end(ap);
}

static void op_send(void *user, const char *text, size_t len)
{
	auto_json json_t *j = NULL;
	const char *word = NULL;

	ck_assert_int_eq(json_parse(text, len, "sent", &j, &e), 0);
	last_id++;
	ck_assert_int_eq(json_integer_value(json_object_get(j, "id")), last_id);
	note(" send:%s", json_string_value(json_object_get(j, "type")));
	word = json_string_value(json_object_get(j, "outcome"));
	if (word)
		note("=%s", word);
	if (json_object_get(j, "receipts"))
		note("*%zu", json_array_size(json_object_get(j, "receipts")));
	if (json_object_get(j, "documents"))
		note("*%zu", json_array_size(json_object_get(j, "documents")));
}

static void op_submit(void *user, const char *envelope, size_t len)
{
	note(" submit");
}

static void op_fetch(void *user, enum protocol_stream s, uint64_t after)
{
	note(" %s>%" PRIu64, protocol_stream_name(s), after);
}

static void op_ack(void *user, enum protocol_stream s, uint64_t seq)
{
	note(" ack:%s:%" PRIu64, protocol_stream_name(s), seq);
}

static void op_resume(void *user, const char *receipt, const char *head)
{
	note(" resume:%s:%s", receipt ? receipt : "", head ? head : "");
}

static void op_wants(void *user)
{
	note(" wants");
}

static void op_status(void *user)
{
	note(" status");
}

static void op_retry(void *user, unsigned int after, bool reconnect)
{
	note(" retry:%u:%d", after, reconnect);
}

static void connect_anew(void)
{
	static const struct protocol_ops ops = {
		.send = op_send,
		.submit = op_submit,
		.fetch = op_fetch,
		.ack = op_ack,
		.resume = op_resume,
		.wants = op_wants,
		.status = op_status,
		.retry = op_retry,
	};
	auto_json json_t *inventory = json_object();
	const struct protocol_device d = {
		.device = "dev-0123456789ab",
		.epoch = "00112233445566778899aabbccddeeff",
		.agent = "1",
		.inventory = inventory,
		.root = 2,
		.acked = { 7, 40 },
	};

	said[0] = '\0';
	last_id = 0;
	p = protocol_new(&d, &ops, NULL);
	ck_assert_ptr_nonnull(p);
}

static void greet(void);

/* The state that most tests start from: the server gave its position. */
static void set_up(void)
{
	connect_anew();
	greet();
	protocol_send_receipts(p, NULL, 0);
	protocol_send_audit(p, NULL, 0);
	said[0] = '\0';
}

static void tear_down(void)
{
	protocol_free(p);
}

/* Says what was noted since the last call. */
static void expect(const char *want)
{
	ck_assert_str_eq(said, want);
	said[0] = '\0';
}

static int take(const char *text)
{
	return protocol_receive(p, text, strlen(text), &e);
}

static void say_ack(const char *stream, int seq, const char *more)
{
	auto_free char *m = NULL;

	ck_assert_int_gt(asprintf(&m,
				  "{\"type\":\"ack\",\"id\":1,\"stream\":"
				  "\"%s\",\"seq\":%d%s}",
				  stream, seq, more),
			 0);
	ck_assert_msg(take(m) == 0, "%s", e.text);
}

static void greet(void)
{
	say_ack("receipts", 7, "");
	say_ack("audit", 40, "");
	protocol_resumed(p);
}

/* An envelope with one byte of payload, and its digest. */
static char *envelope(char payload, char digest[ENCODING_DIGEST_SIZE])
{
	AUTO(envelope_freep) struct envelope *env = NULL;
	char *text;

	ck_assert_int_eq(envelope_new(ENVELOPE_TYPE_XML("command"), &payload, 1,
				      &env, &e),
			 0);
	ck_assert_int_eq(envelope_text(env, &text, &e), 0);
	encoding_format_digest(env->digest, digest);
	return text;
}

static void take_envelope(const char *type, char payload,
			  char digest[ENCODING_DIGEST_SIZE])
{
	auto_free char *env = envelope(payload, digest), *m = NULL;

	ck_assert_int_gt(asprintf(&m,
				  "{\"type\":\"%s\",\"id\":1,\"sha256\":"
				  "\"%s\",\"envelope\":%s}",
				  type, digest, env),
			 0);
	ck_assert_msg(take(m) == 0, "%s", e.text);
}

START_TEST(hello_starts_everything)
{
	auto_json json_t *status = json_object();

	protocol_free(p);
	connect_anew();
	protocol_send_hello(p, status);
	expect(" send:hello wants");
	greet();
	expect(" resume:: receipts>7 audit>40");
}
END_TEST

/* A device that was put back would sign numbers that are given already. */
START_TEST(nothing_is_fetched_before_the_server_said_where_it_stands)
{
	protocol_free(p);
	connect_anew();
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_notify_pending(p, PROTOCOL_AUDIT);
	for (int i = 0; i < 6; i++)
		protocol_tick(p);
	expect(" wants wants wants wants wants wants");
	say_ack("receipts", 9, ",\"last\":{\"seq\":9}");
	say_ack("receipts", 12, "");
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	expect("");
	say_ack("audit", 3, ",\"last\":{\"seq\":3}");
	expect(" resume:{\"seq\":9}:{\"seq\":3}");
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	expect("");
	protocol_resumed(p);
	expect(" ack:receipts:9 receipts>9 audit>3");
}
END_TEST

START_TEST(envelopes_are_submitted_one_at_a_time)
{
	char digest[ENCODING_DIGEST_SIZE];

	take_envelope("snapshot", 'a', digest);
	take_envelope("command", 'b', digest);
	expect(" submit");
	protocol_submitted(p, "staged", "", "");
	expect(" send:submitted=staged submit");
	protocol_submitted(p, "accepted", "", "");
	expect(" send:submitted=accepted wants status");
}
END_TEST

START_TEST(what_is_known_asks_for_nothing)
{
	char digest[ENCODING_DIGEST_SIZE];

	take_envelope("snapshot", 'a', digest);
	protocol_submitted(p, "known", "", "");
	expect(" submit send:submitted=known");
}
END_TEST

START_TEST(snapshot_of_an_unknown_root_asks_for_the_chain_once)
{
	char digest[ENCODING_DIGEST_SIZE];

	for (int i = 0; i < 2; i++) {
		take_envelope("snapshot", 'a', digest);
		protocol_submitted(p, "refused", "err.unknown-key", "");
	}
	ck_assert_ptr_nonnull(strstr(said, "send:roots"));
	ck_assert_ptr_null(
		strstr(strstr(said, "send:roots") + 1, "send:roots"));
}
END_TEST

static void cancel(const char *digest)
{
	auto_free char *m = NULL;

	ck_assert_int_gt(asprintf(&m,
				  "{\"type\":\"cancel\",\"id\":9,"
				  "\"sha256\":\"%s\"}",
				  digest),
			 0);
	ck_assert_int_eq(take(m), 0);
}

START_TEST(cancelled_command_is_never_submitted)
{
	char first[ENCODING_DIGEST_SIZE], second[ENCODING_DIGEST_SIZE];

	take_envelope("command", 'a', first);
	take_envelope("command", 'b', second);
	cancel(second);
	expect(" submit send:submitted=cancelled");
	protocol_submitted(p, "accepted", "", "");
	expect(" send:submitted=accepted wants status");
	/* Nor if the server sends it once more. */
	take_envelope("command", 'b', second);
	expect(" send:submitted=cancelled");
}
END_TEST

START_TEST(cancel_may_overtake_its_command)
{
	char digest[ENCODING_DIGEST_SIZE];

	free(envelope('a', digest));
	cancel(digest);
	expect(" send:submitted=cancelled");
	take_envelope("command", 'a', digest);
	expect(" send:submitted=cancelled");
}
END_TEST

START_TEST(late_cancel_is_told_what_happened)
{
	char digest[ENCODING_DIGEST_SIZE];

	take_envelope("command", 'a', digest);
	cancel(digest);
	expect(" submit");
	protocol_submitted(p, "accepted", "", "");
	cancel(digest);
	expect(" send:submitted=accepted wants status send:submitted=accepted");
}
END_TEST

START_TEST(receipts_wait_for_their_acknowledgement)
{
	const struct protocol_receipt r[] = { { 8, "{}", 2 }, { 9, "{}", 2 } };

	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_send_receipts(p, r, 2);
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	expect(" receipts>7 send:receipt*2");
	ck_assert_int_eq(take("{\"type\":\"ack\",\"id\":1,\"stream\":"
			      "\"receipts\",\"seq\":8}"),
			 0);
	/* Something new: the rest is sent again from there. */
	expect(" ack:receipts:8 receipts>8");
	protocol_send_receipts(p, &r[1], 1);
	expect(" send:receipt*1");
	ck_assert_int_eq(take("{\"type\":\"ack\",\"id\":2,\"stream\":"
			      "\"receipts\",\"seq\":9}"),
			 0);
	expect(" ack:receipts:9 receipts>9");
	protocol_send_receipts(p, NULL, 0);
	expect("");
}
END_TEST

START_TEST(acknowledgement_that_does_not_move_is_no_loop)
{
	const struct protocol_receipt r = { 8, "{}", 2 };

	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_send_receipts(p, &r, 1);
	said[0] = '\0';
	ck_assert_int_eq(take("{\"type\":\"ack\",\"id\":1,\"stream\":"
			      "\"receipts\",\"seq\":7}"),
			 0);
	expect("");
}
END_TEST

START_TEST(server_that_was_set_back_gets_it_again)
{
	ck_assert_int_eq(take("{\"type\":\"ack\",\"id\":1,\"stream\":"
			      "\"receipts\",\"seq\":3}"),
			 0);
	expect(" receipts>3");
}
END_TEST

START_TEST(receipts_without_an_answer_are_sent_again)
{
	const struct protocol_receipt r = { 8, "{}", 2 };

	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_send_receipts(p, &r, 1);
	said[0] = '\0';
	for (int i = 0; i < 5; i++)
		protocol_tick(p);
	expect(" wants wants wants wants receipts>7 wants");
}
END_TEST

START_TEST(what_could_not_be_had_is_asked_for_again)
{
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_notify_pending(p, PROTOCOL_AUDIT);
	protocol_fetch_failed(p, PROTOCOL_RECEIPTS);
	protocol_fetch_failed(p, PROTOCOL_AUDIT);
	expect(" receipts>7 audit>40");
	protocol_notify_pending(p, PROTOCOL_AUDIT);
	expect(" audit>40");
	protocol_tick(p);
	expect(" receipts>7 wants");
	protocol_tick(p);
	expect(" wants");
}
END_TEST

START_TEST(message_holds_at_most_a_hundred_receipts)
{
	struct protocol_receipt r[120];

	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++)
		r[i] = (struct protocol_receipt){ 8 + i, "{}", 2 };
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_send_receipts(p, r, ARRAY_SIZE(r));
	expect(" receipts>7 send:receipt*100");
}
END_TEST

START_TEST(message_of_receipts_keeps_to_a_megabyte)
{
	size_t len = 400 * 1024;
	auto_free char *big = malloc(len + 1);
	struct protocol_receipt r[3];

	memset(big, 'x', len);
	big[0] = big[len - 1] = '"';
	big[len] = '\0';
	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++)
		r[i] = (struct protocol_receipt){ 8 + i, big, len };
	protocol_notify_pending(p, PROTOCOL_RECEIPTS);
	protocol_send_receipts(p, r, ARRAY_SIZE(r));
	expect(" receipts>7 send:receipt*2");
}
END_TEST

START_TEST(audit_goes_up_batch_by_batch)
{
	protocol_notify_pending(p, PROTOCOL_AUDIT);
	protocol_send_audit(p, "{\"records\":[]}", 14);
	expect(" audit>40 send:audit");
	ck_assert_int_eq(take("{\"type\":\"ack\",\"id\":1,\"stream\":\"audit\","
			      "\"seq\":99}"),
			 0);
	expect(" ack:audit:99 audit>99");
	protocol_send_audit(p, NULL, 0);
	expect("");
}
END_TEST

START_TEST(get_is_asked_one_at_a_time_and_not_for_what_is_missing)
{
	const char *const digests[] = { "sha256:aa", "sha256:bb" };

	protocol_get_documents(p, digests, 2);
	protocol_get_documents(p, digests, 2);
	expect(" send:get*2");
	ck_assert_int_eq(take("{\"type\":\"documents\",\"id\":1,\"re\":1,"
			      "\"documents\":[],\"missing\":[\"sha256:aa\"]}"),
			 0);
	expect(" wants");
	protocol_get_documents(p, digests, 2);
	expect(" send:get*1");
}
END_TEST

START_TEST(refused_document_is_not_asked_for_before_the_tick)
{
	char digest[ENCODING_DIGEST_SIZE];
	const char *list[] = { digest };

	take_envelope("snapshot", 'a', digest);
	protocol_submitted(p, "refused", "err.schema", "");
	said[0] = '\0';
	protocol_get_documents(p, list, 1);
	expect("");
	protocol_tick(p);
	protocol_get_documents(p, list, 1);
	expect(" wants send:get*1");
}
END_TEST

START_TEST(retry_is_obeyed_within_a_day)
{
	ck_assert_int_eq(take("{\"type\":\"retry\",\"id\":1,\"after\":30,"
			      "\"reconnect\":true}"),
			 0);
	ck_assert_int_eq(take("{\"type\":\"retry\",\"id\":1,"
			      "\"after\":99999999}"),
			 0);
	expect(" retry:30:1 retry:86400:0");
}
END_TEST

static const char *const ignored[] = {
	"{\"type\":\"news\",\"id\":1}",
	"{\"type\":\"retry\",\"id\":1,\"after\":1,\"more\":[1]}",
	"{\"type\":\"ack\",\"id\":1,\"stream\":\"other\",\"seq\":1}",
};

START_TEST(unknown_types_and_members_are_no_error)
{
	ck_assert_msg(take(ignored[_i]) == 0, "%s", e.text);
}
END_TEST

static const char *const bad[] = {
	"",
	"null",
	"[]",
	"{}",
	"{\"type\":1}",
	"{\"type\":\"command\"}",
	"{\"type\":\"command\",\"envelope\":\"x\"}",
	"{\"type\":\"documents\",\"documents\":[1]}",
	"{\"type\":\"ack\",\"stream\":\"receipts\",\"seq\":-1}",
	"{\"type\":\"cancel\",\"sha256\":\"sha256:zz\"}",
	"{\"type\":\"ack\",\"type\":\"ack\"}",
	"{\"type\":\"retry\",\"after\":1.5}",
};

START_TEST(bad_message_is_an_error)
{
	ck_assert_int_lt(take(bad[_i]), 0);
	expect("");
}
END_TEST

START_TEST(queue_is_bounded)
{
	char digest[ENCODING_DIGEST_SIZE];
	auto_free char *env = envelope('a', digest), *m = NULL;
	int r = 0;

	ck_assert_int_gt(
		asprintf(&m, "{\"type\":\"snapshot\",\"envelope\":%s}", env),
		0);
	for (int i = 0; i <= PROTOCOL_QUEUE_MAX && r == 0; i++)
		r = take(m);
	ck_assert_int_eq(r, -ENOBUFS);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, hello_starts_everything);
	tcase_add_test(
		tc, nothing_is_fetched_before_the_server_said_where_it_stands);
	tcase_add_test(tc, envelopes_are_submitted_one_at_a_time);
	tcase_add_test(tc, what_is_known_asks_for_nothing);
	tcase_add_test(tc, snapshot_of_an_unknown_root_asks_for_the_chain_once);
	tcase_add_test(tc, cancelled_command_is_never_submitted);
	tcase_add_test(tc, cancel_may_overtake_its_command);
	tcase_add_test(tc, late_cancel_is_told_what_happened);
	tcase_add_test(tc, receipts_wait_for_their_acknowledgement);
	tcase_add_test(tc, acknowledgement_that_does_not_move_is_no_loop);
	tcase_add_test(tc, server_that_was_set_back_gets_it_again);
	tcase_add_test(tc, receipts_without_an_answer_are_sent_again);
	tcase_add_test(tc, what_could_not_be_had_is_asked_for_again);
	tcase_add_test(tc, message_holds_at_most_a_hundred_receipts);
	tcase_add_test(tc, message_of_receipts_keeps_to_a_megabyte);
	tcase_add_test(tc, audit_goes_up_batch_by_batch);
	tcase_add_test(tc,
		       get_is_asked_one_at_a_time_and_not_for_what_is_missing);
	tcase_add_test(tc, refused_document_is_not_asked_for_before_the_tick);
	tcase_add_test(tc, retry_is_obeyed_within_a_day);
	tcase_add_loop_test(tc, unknown_types_and_members_are_no_error, 0,
			    ARRAY_SIZE(ignored));
	tcase_add_loop_test(tc, bad_message_is_an_error, 0, ARRAY_SIZE(bad));
	tcase_add_test(tc, queue_is_bounded);
}

UNIT_MAIN("protocol", add)
