/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/store/store.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "policyd/store/store_internal.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct err e;

static struct store *opened(const char *dir)
{
	struct store *s;

	ck_assert_msg(store_open(dir, &s, &e) == 0, "%s", e.text);
	return s;
}

static struct store *begun(struct store *s)
{
	struct store *tx;

	ck_assert_msg(store_begin(s, true, &tx, &e) == 0, "%s", e.text);
	return tx;
}

static void commit(struct store *tx)
{
	ck_assert_msg(store_commit(&tx, &e) == 0, "%s", e.text);
}

START_TEST(values_survive_only_with_their_commit)
{
	const char *dir = unit_folder();
	struct store *s = opened(dir), *tx = begun(s);
	auto_free char *org = NULL;

	store_set_text(s, STORE_ORG, "acme", &e);
	store_set_int(s, STORE_GENERATION, 7, &e);
	commit(tx);
	tx = begun(s);
	store_set_text(s, STORE_ORG, "umbrella", &e);
	ck_assert_int_eq(store_set_int(s, STORE_GENERATION, 8, &e), 0);
	store_rollbackp(&tx);
	store_close(s);

	s = opened(dir);
	ck_assert_int_eq(store_lookup_text(s, STORE_ORG, &org, &e), 0);
	ck_assert_str_eq(org, "acme");
	ck_assert_int_eq(store_get_int_or_default(s, STORE_GENERATION, 0), 7);
	ck_assert_int_eq(store_get_int_or_default(s, STORE_AUDIT_LOST, -1), -1);
	store_close(s);
}
END_TEST

static int note_seq(void *ctx, int64_t seq, const char *payload,
		    struct err *err)
{
	char *list = ctx;

	sprintf(list + strlen(list), "%d%s ", (int)seq, payload);
	return 0;
}

/* A rollback takes the number back with the receipt: no gaps. */
START_TEST(numbers_have_no_gaps)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	char list[64] = "";

	for (unsigned int i = 0; i < 5; i++) {
		struct store *tx = begun(s);
		int64_t seq;

		ck_assert_int_eq(
			store_increment(s, STORE_RECEIPT_SEQ, &seq, &e), 0);
		ck_assert_int_eq(store_put_receipt(s, seq, "r", &e), 0);
		if (i % 2)
			store_rollbackp(&tx);
		else
			commit(tx);
	}
	store_each_receipt(s, 0, 100, note_seq, list, &e);
	ck_assert_str_eq(list, "1r 2r 3r ");
	list[0] = '\0';
	store_each_receipt(s, 1, 1, note_seq, list, &e);
	ck_assert_str_eq(list, "2r ");
}
END_TEST

/* Behind the back of the store in this folder. */
static void damage(const char *dir, const char *sql)
{
	AUTO(store_closep) struct store *other = opened(dir);

	ck_assert_msg(db_exec(other->db, sql, &e) == 0, "%s", e.text);
}

/* A floor that cannot be read must not be taken for none. */
START_TEST(number_that_cannot_be_read_is_an_error)
{
	const char *dir = unit_folder();
	AUTO(store_closep) struct store *s = opened(dir);
	int64_t v = -1;

	ck_assert_int_eq(store_set_int(s, STORE_SNAPSHOT_FLOOR, 7, &e), 0);
	ck_assert_int_eq(store_get_int(s, STORE_SNAPSHOT_FLOOR, 0, &v, &e), 0);
	ck_assert_int_eq(v, 7);
	ck_assert_int_eq(store_get_int(s, STORE_AUDIT_LOST, 3, &v, &e), 0);
	ck_assert_int_eq(v, 3);
	damage(dir, "ALTER TABLE meta RENAME TO m");
	ck_assert_int_lt(store_get_int(s, STORE_SNAPSHOT_FLOOR, 0, &v, &e), 0);
	ck_assert_int_lt(store_increment(s, STORE_RECEIPT_SEQ, &v, &e), 0);
	ck_assert_int_eq(v, 3);
}
END_TEST

START_TEST(text_that_cannot_be_read_is_an_error)
{
	const char *dir = unit_folder();
	AUTO(store_closep) struct store *s = opened(dir);
	auto_free char *none = NULL, *time = NULL, *lost = NULL;

	ck_assert_int_eq(store_get_text(s, STORE_TIME, "none", &none, &e), 0);
	ck_assert_str_eq(none, "none");
	ck_assert_int_eq(store_set_text(s, STORE_TIME, "noon", &e), 0);
	ck_assert_int_eq(store_get_text(s, STORE_TIME, "none", &time, &e), 0);
	ck_assert_str_eq(time, "noon");
	damage(dir, "ALTER TABLE meta RENAME TO m");
	ck_assert_int_lt(store_get_text(s, STORE_TIME, "none", &lost, &e), 0);
	ck_assert_ptr_null(lost);
}
END_TEST

/* A VP that was wiped must not come back because the mark is lost. */
START_TEST(wipe_that_cannot_be_read_is_an_error)
{
	const char *dir = unit_folder();
	AUTO(store_closep) struct store *s = opened(dir);
	int64_t v = -1;

	ck_assert_int_eq(store_get_vp_gone(s, "work", &v, &e), 0);
	ck_assert_int_eq(v, 0);
	ck_assert_int_eq(store_set_vp_gone(s, "work", 3, &e), 0);
	ck_assert_int_eq(store_get_vp_gone(s, "work", &v, &e), 0);
	ck_assert_int_eq(v, 3);
	damage(dir, "ALTER TABLE vp RENAME TO lost");
	ck_assert_int_lt(store_get_vp_gone(s, "work", &v, &e), 0);
	ck_assert_int_eq(v, 3);
}
END_TEST

static struct store_command job(const char *id, int64_t expires)
{
	struct store_command j = { .type = DOC_COMMAND,
				   .version = 1,
				   .expires = expires,
				   .action = "stop",
				   .vp = "work",
				   .cause = "command" };

	snprintf(j.id, sizeof(j.id), "%s", id);
	return j;
}

START_TEST(receipt_of_an_order_stays_as_long_as_the_order)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store_command j = job("one", 100);
	struct store *tx = begun(s);
	auto_free char *payload = NULL;
	int64_t gone, last;

	store_put_receipt(s, 1, "first", &e);
	store_put_receipt(s, 2, "second", &e);
	ck_assert_int_eq(store_put_command(s, &j, 0, 0, &e), 0);
	ck_assert_int_eq(store_mark_command_done(s, "one", 2, false, &e), 0);
	ck_assert_int_eq(store_drop_receipts(s, 2, 100, &gone, &last, &e), 0);
	ck_assert_int_eq(last, 2);
	commit(tx);
	ck_assert_int_eq(store_get_receipt(s, 1, &payload, &e), -ENOENT);
	ck_assert_int_eq(store_get_receipt(s, 2, &payload, &e), 0);
	ck_assert_str_eq(payload, "second");
}
END_TEST

START_TEST(orders_are_kept_until_they_expire_and_bounded)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store *tx = begun(s);
	struct store_command j, got[2];
	char id[32];

	for (unsigned int i = 0; i < STORE_COMMANDS_MAX; i++) {
		sprintf(id, "job-%u", i);
		j = job(id, 100);
		j.keep = 100;
		j.done = i > 0;
		ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
	}
	j = job("more", 200);
	ck_assert_int_lt(store_put_command(s, &j, 50, 50, &e), 0);
	ck_assert_int_eq(e.reason, REASON_BUSY);
	ck_assert_int_eq(store_get_command(s, "job-7", &got[0], &e), 0);
	/* Not by a time that was moved ahead, which the device did not run. */
	j.id[0] = 'a';
	ck_assert_int_lt(store_put_command(s, &j, 1000, 60, &e), 0);
	ck_assert_int_eq(store_get_command(s, "job-7", &got[0], &e), 0);
	j = job("more", 200);
	/* Those that are done may go then; the open one stays. */
	ck_assert_int_eq(store_put_command(s, &j, 101, 101, &e), 0);
	ck_assert_int_eq(store_get_command(s, "job-7", &got[0], &e), -ENOENT);
	ck_assert_int_eq(store_list_open_commands(s, got, 2, &e), 2);
	ck_assert_str_eq(got[0].id, "job-0");
	ck_assert_str_eq(got[1].id, "more");
	commit(tx);
}
END_TEST

static struct store_command order(const char *id, const char *action,
				  bool is_void)
{
	struct store_command j = job(id, 100);

	snprintf(j.action, sizeof(j.action), "%s", action);
	j.done = j.is_void = is_void;
	return j;
}

/* Who may send commands may not keep a wipe out. */
START_TEST(each_role_has_a_quota_of_its_own)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store *tx = begun(s);
	struct store_command j;
	char id[32];

	for (unsigned int i = 0; i < STORE_COMMANDS_MAX; i++) {
		sprintf(id, "stop-%u", i);
		j = order(id, "stop", false);
		ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
	}
	j = order("one-more", "start", false);
	ck_assert_int_lt(store_put_command(s, &j, 50, 50, &e), 0);
	ck_assert_int_eq(e.reason, REASON_BUSY);
	j = order("wipe", "wipe", false);
	ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
	j = order("move", "move", false);
	j.type = DOC_MEMBERSHIP;
	ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
	commit(tx);
}
END_TEST

START_TEST(refused_orders_are_held_to_no_quota_and_the_oldest_go)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store *tx = begun(s);
	struct store_command j = order("wipe-1", "wipe", true), got;
	char id[32];

	ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
	for (unsigned int i = 0; i <= STORE_VOID_MAX; i++) {
		sprintf(id, "void-%u", i);
		/* Refused at once, or when it was tried. */
		j = order(id, "stop", i % 2);
		ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
		if (!j.is_void)
			store_mark_command_done(s, id, 7, true, &e);
	}
	ck_assert_int_eq(store_get_command(s, "void-0", &got, &e), -ENOENT);
	ck_assert_int_eq(store_get_command(s, "void-1", &got, &e), 0);
	ck_assert_int_eq(store_get_command(s, "wipe-1", &got, &e), 0);
	j = order("right", "stop", false);
	ck_assert_int_eq(store_put_command(s, &j, 50, 50, &e), 0);
	commit(tx);
}
END_TEST

static int refuse(struct store *s, uint8_t name, const char *reason,
		  bool is_signed, int64_t now, int64_t *ret)
{
	const uint8_t digest[HASH_SIZE] = { name };

	return store_record_refusal(
		s,
		&(struct store_refusal){ .digest = digest,
					 .reason = reason,
					 .is_signed = is_signed,
					 .now = now,
					 .since = now - 3600,
					 .max = 3 },
		ret, &e);
}

START_TEST(refusal_is_news_once_an_hour_and_counted_between)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store *tx = begun(s);
	int64_t n = -1;

	ck_assert_int_eq(refuse(s, 1, "err.schema", true, 5000, &n),
			 STORE_NEWS);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(refuse(s, 1, "err.schema", true, 5001, &n),
			 STORE_TOLD);
	ck_assert_int_eq(refuse(s, 1, "err.schema", true, 5002, &n),
			 STORE_TOLD);
	ck_assert_int_eq(refuse(s, 1, "err.expired", true, 5002, &n),
			 STORE_NEWS);
	ck_assert_int_eq(refuse(s, 1, "err.schema", true, 9000, &n),
			 STORE_NEWS);
	ck_assert_int_eq(n, 2);
	commit(tx);
}
END_TEST

START_TEST(strangers_take_no_room_from_signers)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store *tx = begun(s);
	int64_t n;

	for (uint8_t i = 0; i < 3; i++)
		ck_assert_int_eq(refuse(s, i, "err.envelope", false, 5000, &n),
				 STORE_NEWS);
	ck_assert_int_eq(refuse(s, 9, "err.envelope", false, 5001, &n),
			 STORE_TOO_MANY);
	ck_assert_int_eq(refuse(s, 10, "err.schema", true, 5001, &n),
			 STORE_NEWS);
	ck_assert_int_eq(refuse(s, 9, "err.envelope", false, 9000, &n),
			 STORE_NEWS);
	commit(tx);
}
END_TEST

START_TEST(audit_drops_its_oldest)
{
	AUTO(store_closep) struct store *s = opened(unit_folder());
	struct store *tx = begun(s);
	char list[64] = "";
	int64_t gone;

	for (int64_t i = 1; i <= 6; i++)
		store_put_audit(s, i, "0123456789", &e);
	ck_assert_int_eq(store_drop_audit(s, 4, 25, &gone, &e), 0);
	ck_assert_int_eq(gone, 30);
	store_each_audit(s, 0, 100, note_seq, list, &e);
	ck_assert_str_eq(list, "40123456789 50123456789 60123456789 ");
	/* not beyond what the server has */
	ck_assert_int_eq(store_drop_audit(s, 4, 1000, &gone, &e), 0);
	ck_assert_int_eq(gone, 10);
	commit(tx);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, values_survive_only_with_their_commit);
	tcase_add_test(tc, numbers_have_no_gaps);
	tcase_add_test(tc, number_that_cannot_be_read_is_an_error);
	tcase_add_test(tc, text_that_cannot_be_read_is_an_error);
	tcase_add_test(tc, wipe_that_cannot_be_read_is_an_error);
	tcase_add_test(tc, receipt_of_an_order_stays_as_long_as_the_order);
	tcase_add_test(tc, orders_are_kept_until_they_expire_and_bounded);
	tcase_add_test(tc, refusal_is_news_once_an_hour_and_counted_between);
	tcase_add_test(tc, strangers_take_no_room_from_signers);
	tcase_add_test(tc, each_role_has_a_quota_of_its_own);
	tcase_add_test(tc,
		       refused_orders_are_held_to_no_quota_and_the_oldest_go);
	tcase_add_test(tc, audit_drops_its_oldest);
}

UNIT_MAIN("store", add)
