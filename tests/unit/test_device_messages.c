/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/bus/device_messages.h"

#include "lib/auto.h"
#include "lib/document/doc.h"
#include "policyd/bus/device_messages_internal.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A bus with nobody at the other end: messages are made for it, never sent. */
static sd_bus *bus;
static int other_end = -1;

static void open_bus(void)
{
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	other_end = fds[1];
	ck_assert_int_ge(sd_bus_new(&bus), 0);
	ck_assert_int_ge(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
	ck_assert_int_ge(sd_bus_start(bus), 0);
}

static void close_bus(void)
{
	bus = sd_bus_close_unref(bus);
	close(other_end);
}

static sd_bus_message *new_message(void)
{
	sd_bus_message *m;

	ck_assert_int_ge(sd_bus_message_new_signal(bus, &m, "/org/cells",
						   "org.cells.Test", "Test"),
			 0);
	return m;
}

/* As it is for who gets it. */
static void seal(sd_bus_message *m)
{
	ck_assert_int_ge(sd_bus_message_seal(m, 1, 0), 0);
}

/* ---- what is read */
static const char *const wrong_types[] = { "s", "as", "a(suuuuu)" };

static void append_empty(sd_bus_message *m, const char *types)
{
	if (*types == 'a') {
		ck_assert_int_ge(
			sd_bus_message_open_container(m, 'a', types + 1), 0);
		ck_assert_int_ge(sd_bus_message_close_container(m), 0);
	} else {
		ck_assert_int_ge(sd_bus_message_append(m, types, ""), 0);
	}
}

START_TEST(answer_of_other_types_is_not_read)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = new_message();
	auto_free struct device_revoked *revoked = NULL;
	struct device_vp *vps = NULL;
	size_t n_revoked = 0, n_vps = 0;

	append_empty(m, wrong_types[_i]);
	seal(m);
	ck_assert_int_lt(device_messages_read_revoked(m, &revoked, &n_revoked),
			 0);
	ck_assert_int_ge(sd_bus_message_rewind(m, 1), 0);
	ck_assert_int_lt(device_messages_read_vps(m, &vps, &n_vps), 0);
	ck_assert_uint_eq(n_revoked + n_vps, 0);
}
END_TEST

START_TEST(revoked_rows_are_read_and_what_follows_them)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = new_message();
	auto_free struct device_revoked *rows = NULL;
	uint64_t ns;
	size_t n = 0;

	ck_assert_int_ge(sd_bus_message_append(m, "a(suuuu)t", 2, "work", 1, 2,
					       3, 4, "personal", 5, 6, 7, 8,
					       UINT64_C(9)),
			 0);
	seal(m);
	ck_assert_int_ge(device_messages_read_revoked(m, &rows, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(rows[0].vp, "work");
	ck_assert_uint_eq(rows[0].cls, 1);
	ck_assert_str_eq(rows[1].vp, "personal");
	ck_assert_uint_eq(rows[1].handles, 6);
	ck_assert_uint_eq(rows[1].mappings, 7);
	ck_assert_uint_eq(rows[1].kept, 8);
	ck_assert_int_gt(sd_bus_message_read(m, "t", &ns), 0);
	ck_assert_uint_eq(ns, 9);
}
END_TEST

START_TEST(listed_vp_without_a_state_is_one_all_the_same)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = new_message();
	struct device_vp *vps = NULL;
	size_t n = 0;

	ck_assert_int_ge(sd_bus_message_append(
				 m, "a(sa{sv})", 2, "work", 4, "state", "s",
				 "locked", "damaged", "b", 1, "not-enforced",
				 "as", 1, "pids-max", "a later one's", "a(yy)",
				 1, 1, 2, "personal", 0),
			 0);
	seal(m);
	ck_assert_int_ge(device_messages_read_vps(m, &vps, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(vps[0].name, "work");
	ck_assert_str_eq(vps[0].state, "locked");
	ck_assert(vps[0].is_damaged);
	ck_assert_uint_eq(json_array_size(vps[0].not_enforced), 1);
	ck_assert_uint_eq(json_object_size(vps[0].properties), 3);
	ck_assert_str_eq(vps[1].name, "personal");
	ck_assert_ptr_null(vps[1].state);
	ck_assert(!vps[1].is_damaged);
	ck_assert_ptr_null(vps[1].not_enforced);
	device_messages_free_vps(vps, n);
}
END_TEST

START_TEST(inventory_leaves_out_classes_that_are_not_known)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = new_message();
	struct device_inventory i = { 0 };
	json_t *camera;

	ck_assert_int_ge(sd_bus_message_append(m, "ssa(uas)", "devns", "live",
					       2, 7, 2, "81:0", "81:1", 1000, 1,
					       "1:1"),
			 0);
	seal(m);
	ck_assert_int_ge(device_messages_read_inventory(m, &i), 0);
	ck_assert_str_eq(i.backend, "devns");
	ck_assert_str_eq(i.level, "live");
	ck_assert_uint_eq(json_object_size(i.classes), 1);
	camera = json_object_iter_value(json_object_iter(i.classes));
	ck_assert_uint_eq(json_array_size(camera), 2);
	ck_assert_str_eq(json_string_value(json_array_get(camera, 1)), "81:1");
	json_decref(i.classes);
}
END_TEST

/* ---- what is written */
static const struct doc_vp_config config = {
	.head = { .id = "work" },
	.label = "Work",
	.memory_max = 1,
	.n_allow = 1,
	.allow = { { .address = 0x0a000001, .prefix = 8, .port = 443 } },
	.notify_call = true,
};
static const struct doc_image image = {
	.init = "/sbin/init",
	.stop_signal = "RTMIN+3",
	.n_layers = 1,
	.layer = { { .digest = "sha256:00" } },
};

/* The VP's properties in their order, separated by spaces. */
static void read_keys(sd_bus_message *m, char *ret, size_t size)
{
	const char *key;
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	*ret = '\0';
	while (r >= 0 &&
	       (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		ck_assert_int_gt(sd_bus_message_read(m, "s", &key), 0);
		if (*ret)
			strncat(ret, " ", size - strlen(ret) - 1);
		strncat(ret, key, size - strlen(ret) - 1);
		if (strcmp(key, "stop-signal") == 0) {
			int number;

			ck_assert_int_gt(
				sd_bus_message_read(m, "v", "i", &number), 0);
			ck_assert_int_eq(number, SIGRTMIN + 3);
		} else {
			ck_assert_int_gt(sd_bus_message_skip(m, "v"), 0);
		}
		r = sd_bus_message_exit_container(m);
	}
	ck_assert_int_ge(r, 0);
	ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
}

START_TEST(state_is_written_as_apply_takes_it)
{
	AUTO(sd_bus_message_unrefp) sd_bus_message *m = new_message();
	const struct device_wanted_vp vp = { &config, &image };
	const struct device_right right = { "work", 7, 2, true, false };
	const struct device_state state = { .generation = 5,
					    .vps = &vp,
					    .n_vps = 1,
					    .rights = &right,
					    .n_rights = 1,
					    .recovery = "",
					    .cause = "policy" };
	const char *id, *cause;
	uint64_t generation;
	uint32_t cls;
	uint8_t use;
	int block, kill;
	char keys[512];

	ck_assert_int_ge(device_messages_write_state(m, &state), 0);
	seal(m);
	ck_assert_str_eq(sd_bus_message_get_signature(m, 1),
			 "ta(sa{sv})a(suybb)s");
	ck_assert_int_gt(sd_bus_message_read(m, "t", &generation), 0);
	ck_assert_uint_eq(generation, 5);
	ck_assert_int_gt(sd_bus_message_enter_container(m, 'a', "(sa{sv})"), 0);
	ck_assert_int_gt(sd_bus_message_enter_container(m, 'r', "sa{sv}"), 0);
	ck_assert_int_gt(sd_bus_message_read(m, "s", &id), 0);
	ck_assert_str_eq(id, "work");
	read_keys(m, keys, sizeof(keys));
	ck_assert_str_eq(keys,
			 "label memory-max storage-max cpu-weight pids-max "
			 "overcommit nat on-boot idle-seconds io-weight "
			 "net-rate io-read-max io-write-max no-new-privileges "
			 "allow notify attention layers init stop-signal "
			 "recovery");
	ck_assert_int_gt(sd_bus_message_exit_container(m), 0);
	ck_assert_int_gt(sd_bus_message_exit_container(m), 0);
	ck_assert_int_gt(sd_bus_message_read(m, "a(suybb)", 1, &id, &cls, &use,
					     &block, &kill),
			 0);
	ck_assert_uint_eq(cls, 7);
	ck_assert_uint_eq(use, 2);
	ck_assert(block && !kill);
	ck_assert_int_gt(sd_bus_message_read(m, "s", &cause), 0);
	ck_assert_str_eq(cause, "policy");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, open_bus, close_bus);
	tcase_add_loop_test(tc, answer_of_other_types_is_not_read, 0,
			    ARRAY_SIZE(wrong_types));
	tcase_add_test(tc, revoked_rows_are_read_and_what_follows_them);
	tcase_add_test(tc, listed_vp_without_a_state_is_one_all_the_same);
	tcase_add_test(tc, inventory_leaves_out_classes_that_are_not_known);
	tcase_add_test(tc, state_is_written_as_apply_takes_it);
}

UNIT_MAIN("device_messages", add)
