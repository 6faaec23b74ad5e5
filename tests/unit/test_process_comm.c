/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/process_comm.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

static int open_own_folder(void)
{
	return open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

START_TEST(a_name_is_read_without_its_line_feed)
{
	auto_close int proc = open_own_folder();
	char comm[16];

	ck_assert_int_eq(prctl(PR_SET_NAME, "a name"), 0);
	process_comm_read(proc, comm, sizeof(comm));
	ck_assert_str_eq(comm, "a name");
}
END_TEST

START_TEST(a_long_name_is_cut_off)
{
	auto_close int proc = open_own_folder();
	char comm[4];

	ck_assert_int_eq(prctl(PR_SET_NAME, "a name"), 0);
	process_comm_read(proc, comm, sizeof(comm));
	ck_assert_str_eq(comm, "a n");
}
END_TEST

START_TEST(a_process_that_has_ended_has_no_name)
{
	char comm[16] = "old";

	process_comm_read(-1, comm, sizeof(comm));
	ck_assert_str_eq(comm, "");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_name_is_read_without_its_line_feed);
	tcase_add_test(tc, a_long_name_is_cut_off);
	tcase_add_test(tc, a_process_that_has_ended_has_no_name);
}

UNIT_MAIN("process_comm", add)
