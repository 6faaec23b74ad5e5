/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/server.h"

#include "lib/db.h"
#include "lib/err.h"
#include "mgmt-server/channel/connections.h"
#include "mgmt-server/channel/device_channel.h"
#include "mgmt-server/fleet/device_messages.h"
#include "mgmt-server/mgmtd.h"
#include "tests/unit/unit.h"
#include "tests/unit/unitserver.h"

#include <errno.h>
#include <string.h>

#define DEVICE "dev-0123456789ab"

static struct server *server;
static struct err e;
static char told[128]; /* the last event */

static void set_up(void)
{
	told[0] = '\0';
	server = unit_server();
}

static void tear_down(void)
{
	mgmtd_free(server);
}

static void sql(const char *text)
{
	ck_assert_msg(db_exec(server->db, text, &e) == 0, "%s", e.text);
}

static int audit(uint64_t *ret_index)
{
	const struct audit_log_entry en = { .who = "alice",
					    .from = "local",
					    .action = "test" };

	return turn_append_audit(&server->turn, &en, ret_index, &e);
}

START_TEST(nothing_is_written_after_a_tree_that_cannot_be_read_again)
{
	struct merkle tree;
	uint64_t index = 0;

	set_up();
	ck_assert_int_eq(audit(NULL), 0);
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	sql("CREATE TEMP TABLE held AS SELECT peaks FROM tree");
	sql("UPDATE tree SET peaks = x'00'");
	ck_assert_int_eq(audit(NULL), 0);
	unit_lose_turn(server);
	ck_assert_int_lt(turn_begin_write(&server->turn, &e), 0);
	sql("UPDATE tree SET peaks = (SELECT peaks FROM held)");
	ck_assert_int_eq(audit(&index), 0);
	ck_assert_uint_eq(index, 1);
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	ck_assert_int_eq(audit_log_load_tree(server->db, &tree, &e), 0);
	ck_assert_mem_eq(&tree, &server->turn.tree, sizeof(tree));
	tear_down();
}
END_TEST

/* Only of a full disk it is said that the disk is full. */
START_TEST(turn_that_broke_says_why)
{
	set_up();
	sql("CREATE TEMP TRIGGER broken BEFORE INSERT ON leaf"
	    " BEGIN SELECT RAISE(ROLLBACK, 'broken'); END");
	ck_assert_int_lt(audit(NULL), 0);
	ck_assert_int_lt(audit(NULL), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "broken"));
	ck_assert_int_lt(turn_commit(&server->turn, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.text, "broken"));
	ck_assert_int_ne(e.reason, REASON_STORAGE_FULL);
	ck_assert_int_eq(server->metrics.full, 0);
	sql("DROP TRIGGER broken");
	ck_assert_int_eq(audit(NULL), 0);
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	tear_down();
}
END_TEST

static struct device_channel *connect_device(void)
{
	struct device_channel *c = NULL;

	sql("INSERT INTO device (id, name, grp, state, epoch, enrolled)"
	    " VALUES ('" DEVICE "', 'x', 'field', 'active', 'ee', 1)");
	ck_assert_msg(device_messages_open(&server->devices, DEVICE, NULL, &c,
					   &e) == 0,
		      "%s", e.text);
	c->hello = true;
	return c;
}

static int fail_to_refresh(struct device_channel *c, struct err *why)
{
	return err_set(why, EIO, "refresh");
}

START_TEST(device_that_was_not_refreshed_has_to_come_again)
{
	struct device_channel *c;

	set_up();
	c = connect_device();
	connections_mark_stale(server->connections, DEVICE);
	ck_assert(!connections_refresh_stale(server->connections,
					     fail_to_refresh));
	ck_assert(c->closing);
	device_messages_close(c);
	tear_down();
}
END_TEST

START_TEST(message_of_what_was_undone_is_not_sent)
{
	struct turn_savepoint mark;
	struct device_channel *c;

	set_up();
	c = connect_device();
	ck_assert_int_eq(device_channel_send_cancel(c, "kept", &e), 0);
	ck_assert_int_eq(turn_begin_savepoint(&server->turn, &mark, &e), 0);
	ck_assert_int_eq(device_channel_send_cancel(c, "undone", &e), 0);
	turn_rollback_savepoint(&server->turn, &mark);
	ck_assert_int_eq(device_channel_send_cancel(c, "next", &e), 0);
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	ck_assert_ptr_nonnull(
		strstr(device_channel_peek_message(c)->text, "kept"));
	device_channel_remove_sent(c);
	ck_assert_ptr_nonnull(
		strstr(device_channel_peek_message(c)->text, "next"));
	device_channel_remove_sent(c);
	ck_assert_ptr_null(device_channel_peek_message(c));
	ck_assert_uint_eq(c->queued, 0);
	device_messages_close(c);
	tear_down();
}
END_TEST

static void hear(void *ctx, const char *group, const char *text)
{
	ck_assert_str_eq(group, "field");
	snprintf(told, sizeof(told), "%s", text);
}

static void tell(const char *id)
{
	turn_queue_event(&server->turn, "action", "field",
			 json_pack("{s:s}", "id", id));
}

START_TEST(event_is_told_when_its_turn_is_committed)
{
	struct turn_savepoint mark;

	set_up();
	server->callbacks.event = hear;
	tell("lost");
	unit_lose_turn(server);
	ck_assert_str_eq(told, "");
	tell("kept");
	ck_assert_int_eq(turn_begin_savepoint(&server->turn, &mark, &e), 0);
	tell("undone");
	turn_rollback_savepoint(&server->turn, &mark);
	ck_assert_str_eq(told, "");
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	ck_assert_ptr_nonnull(strstr(told, "kept"));
	ck_assert_uint_eq(json_array_size(server->turn.events), 0);
	tear_down();
}
END_TEST

START_TEST(action_that_could_not_end_is_not_told_to_have_expired)
{
	struct device_channel *c;

	set_up();
	server->callbacks.event = hear;
	c = connect_device();
	sql("INSERT INTO action (device, epoch, id, sha256, type, action,"
	    " state, signers, threshold, created, expires, document_expires,"
	    " updated, creator, envelope) VALUES ('" DEVICE "', 'ee', 'a', '',"
	    " 'command', 'lock', 'pending', '', 1, 1, 1, 1, 1, '', '')");
	sql("CREATE TEMP TRIGGER refuse BEFORE UPDATE ON action"
	    " BEGIN SELECT RAISE(FAIL, 'refused'); END");
	ck_assert_int_lt(mgmtd_tick(server, &e), 0);
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	ck_assert_str_eq(told, "");
	sql("DROP TRIGGER refuse");
	ck_assert_int_eq(mgmtd_tick(server, &e), 0);
	ck_assert_int_eq(turn_commit(&server->turn, &e), 0);
	ck_assert_ptr_nonnull(strstr(told, "expired"));
	device_messages_close(c);
	tear_down();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc,
		       action_that_could_not_end_is_not_told_to_have_expired);
	tcase_add_test(tc, message_of_what_was_undone_is_not_sent);
	tcase_add_test(tc, turn_that_broke_says_why);
	tcase_add_test(tc, event_is_told_when_its_turn_is_committed);
	tcase_add_test(tc, device_that_was_not_refreshed_has_to_come_again);
	tcase_add_test(
		tc, nothing_is_written_after_a_tree_that_cannot_be_read_again);
}

UNIT_MAIN("server", add)
