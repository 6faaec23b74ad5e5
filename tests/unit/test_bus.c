/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On a bus of its own: one end asks, the other answers, in one process that
 * takes turns. What other users may, the end-to-end tests show: here all are
 * one user.
 */
#include "lib/bus.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define PATH "/test"
#define INTERFACE "org.cells.Test"
#define NOBODY 65534

static struct err e;
static pid_t daemon_pid;
static sd_bus *server, *client;

/* What the method does: checks its caller for `who`, or fails with `reason`. */
static unsigned int who;
static enum reason reason;

static void write_config(const char *dir)
{
	auto_free char *text = NULL, *path = NULL;

	ck_assert_int_ge(asprintf(&path, "%s/bus.conf", dir), 0);
	ck_assert_int_ge(
		asprintf(&text,
			 "<busconfig><type>system</type>"
			 "<listen>unix:abstract=%s/bus</listen>"
			 "<policy context=\"default\"><allow user=\"*\"/>"
			 "<allow send_destination=\"*\"/>"
			 "<allow receive_sender=\"*\"/>"
			 "<allow own=\"*\"/></policy></busconfig>",
			 dir),
		0);
	ck_assert_int_eq(io_replace_file(path, text, strlen(text), 0600, &e),
			 0);
}

/* The daemon writes its address when it listens: that is waited for. */
static void start_daemon(const char *dir)
{
	auto_free char *config = NULL, *address = NULL;
	char line[512];
	int out[2];

	write_config(dir);
	ck_assert_int_ge(asprintf(&config, "--config-file=%s/bus.conf", dir),
			 0);
	ck_assert_int_eq(pipe(out), 0);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		/* A test that fails ends without its teardown. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		execlp("dbus-daemon", "dbus-daemon", config, "--nofork",
		       "--nopidfile", "--print-address", NULL);
		_exit(127);
	}
	close(out[1]);
	ck_assert_int_gt(read(out[0], line, sizeof(line)), 0);
	close(out[0]);
	ck_assert_int_ge(asprintf(&address, "unix:abstract=%s/bus", dir), 0);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1);
}

static int answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	struct err why;

	if (reason != REASON_NONE) {
		err_reason(&why, reason, "try it on 'x': no");
		return bus_reply_err(m, &why);
	}
	if (bus_check_caller(m, who, &why) < 0)
		return bus_reply_err(m, &why);
	return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Try", "", "", answer, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void setup(void)
{
	start_daemon(unit_folder());
	ck_assert_msg(bus_open(&server, &e) == 0, "%s", e.text);
	ck_assert_msg(bus_open(&client, &e) == 0, "%s", e.text);
	ck_assert_int_ge(sd_bus_add_object_vtable(server, NULL, PATH, INTERFACE,
						  vtable, NULL),
			 0);
	reason = REASON_NONE;
}

static void teardown(void)
{
	bus_closep(&client);
	bus_closep(&server);
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, NULL, 0);
}

static int take_answer(sd_bus_message *m, void *data, sd_bus_error *error)
{
	int *ret = data;

	*ret = bus_convert_error(
		sd_bus_message_get_error(m),
		sd_bus_message_is_method_error(m, NULL) ? -EIO : 0, "try", &e);
	if (!sd_bus_message_is_method_error(m, NULL))
		*ret = 0;
	return 1;
}

/* Calls a method of the server and lets both ends work until it answers. */
static int call(const char *method)
{
	const char *name;
	int ret = 1;

	ck_assert_int_ge(sd_bus_get_unique_name(server, &name), 0);
	ck_assert_int_ge(sd_bus_call_method_async(client, NULL, name, PATH,
						  INTERFACE, method,
						  take_answer, &ret, ""),
			 0);
	for (int turn = 0; ret == 1 && turn < 1000; turn++) {
		int a = sd_bus_process(server, NULL);
		int b = sd_bus_process(client, NULL);

		ck_assert_int_ge(a, 0);
		ck_assert_int_ge(b, 0);
		if (a == 0 && b == 0)
			sd_bus_wait(ret == 1 ? server : client, 1000);
	}
	return ret;
}

/* The user who runs the test: root in one place, somebody in another. */
START_TEST(own_user_is_told_from_the_others)
{
	bool is_root = geteuid() == 0;

	who = BUS_ROOT;
	ck_assert_int_eq(call("Try"), is_root ? 0 : -EIO);
	who = BUS_AGENT | BUS_POLICY | BUS_GROUP;
	ck_assert_int_eq(call("Try"), -EIO);
	ck_assert_ptr_nonnull(strstr(e.text, "call Try: user"));
	who = 0;
	ck_assert_int_eq(call("Try"), -EIO);
}
END_TEST

/* A child that calls as somebody: 0, or 1 for an error. */
static pid_t start_caller(uid_t uid, gid_t group)
{
	const char *name;
	pid_t pid;

	ck_assert_int_ge(sd_bus_get_unique_name(server, &name), 0);
	pid = fork();
	if (pid == 0) {
		sd_bus *own;
		struct err why;

		if (setgroups(group ? 1 : 0, &group) < 0 ||
		    setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		    setresuid(uid, uid, uid) < 0 || bus_open(&own, &why) < 0)
			_exit(2);
		_exit(sd_bus_call_method(own, name, PATH, INTERFACE, "Try",
					 NULL, NULL, "") < 0);
	}
	return pid;
}

static int call_as(uid_t uid, gid_t group, unsigned int may)
{
	pid_t pid = start_caller(uid, group);
	int status;

	who = may;
	while (waitpid(pid, &status, WNOHANG) == 0)
		if (sd_bus_process(server, NULL) == 0)
			sd_bus_wait(server, 1000);
	return WEXITSTATUS(status);
}

START_TEST(users_and_group_are_told_apart)
{
	const struct passwd *agent = getpwnam("cells-agent");
	uid_t agent_uid = agent ? agent->pw_uid : 0;
	const struct passwd *policy = getpwnam("cells-policy");
	uid_t policy_uid = policy ? policy->pw_uid : 0;
	const struct group *group = getgrnam("cells");

	/* Nothing to try by: the end-to-end tests do. */
	if (geteuid() != 0 || !agent || !policy || !group)
		return;
	ck_assert_int_eq(call_as(agent_uid, 0, BUS_AGENT), 0);
	ck_assert_int_eq(call_as(agent_uid, 0, ~BUS_AGENT), 1);
	ck_assert_int_eq(call_as(policy_uid, 0, BUS_POLICY), 0);
	ck_assert_int_eq(call_as(policy_uid, 0, ~BUS_POLICY), 1);
	ck_assert_int_eq(call_as(NOBODY, group->gr_gid, BUS_GROUP), 0);
	ck_assert_int_eq(call_as(NOBODY, group->gr_gid, ~BUS_GROUP), 1);
	ck_assert_int_eq(call_as(NOBODY, 0, ~0U), 1);
	ck_assert_int_eq(call_as(0, group->gr_gid, BUS_ROOT), 0);
	ck_assert_int_eq(call_as(0, group->gr_gid, BUS_GROUP), 1);
}
END_TEST

START_TEST(reasons_cross_the_bus)
{
	for (reason = 1; reason < REASON_COUNT; reason++) {
		ck_assert_int_eq(call("Try"), -reason_errno(reason));
		ck_assert_int_eq(e.reason, reason);
		ck_assert_str_eq(e.text, "try it on 'x': no");
	}
}
END_TEST

START_TEST(error_of_the_bus_says_what_was_tried)
{
	ck_assert_int_eq(call("Nothing"), -EIO);
	ck_assert_int_eq(e.reason, REASON_NONE);
	ck_assert_int_eq(strncmp(e.text, "try: ", 5), 0);
}
END_TEST

START_TEST(lacking_bus_is_an_error)
{
	sd_bus *bus;

	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
	ck_assert_int_lt(bus_open(&bus, &e), 0);
	ck_assert_int_eq(strncmp(e.text, "connect to the system bus: ", 27), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, own_user_is_told_from_the_others);
	tcase_add_test(tc, users_and_group_are_told_apart);
	tcase_add_test(tc, reasons_cross_the_bus);
	tcase_add_test(tc, error_of_the_bus_says_what_was_tried);
	tcase_add_test(tc, lacking_bus_is_an_error);
}

UNIT_MAIN("bus", add)
