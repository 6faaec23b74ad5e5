/* SPDX-License-Identifier: Apache-2.0 */
/* What is written into a cgroup's files, tried in a folder like one. */
#include "cellsd/container/cgroup.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DISK 0x070c /* 7:12, as makedev(3) has small ones */

static int leaf = -1;

static void make(const char *name)
{
	auto_close int fd =
		openat(leaf, name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
}

static void setup(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/leaf", unit_folder());
	mkdir(path, 0700);
	leaf = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(leaf, 0);
}

static void teardown(void)
{
	static const char *const files[] = { "memory.max",    "pids.max",
					     "cpu.weight",    "io.weight",
					     "io.bfq.weight", "io.max" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		unlinkat(leaf, files[i], 0);
	close(leaf);
}

static void assert_holds(const char *name, const char *want)
{
	auto_close int fd = openat(leaf, name, O_RDONLY);
	char text[128];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, want);
}

static const struct cgroup_limits all = {
	.memory_max = 1 << 20,
	.cpu_weight = 50,
	.io_weight = 2000,
	.pids_max = 7,
	.io_read_max = 1024,
	.io_write_max = UINT64_C(1) << 40,
	.disk = DISK,
};

START_TEST(what_no_controller_takes_is_told)
{
	ck_assert_uint_eq(cgroup_set_limits(leaf, &all),
			  CGROUP_LIMIT_MEMORY | CGROUP_LIMIT_CPU |
				  CGROUP_LIMIT_PIDS | CGROUP_LIMIT_IO |
				  CGROUP_LIMIT_READ | CGROUP_LIMIT_WRITE);
	ck_assert_uint_eq(cgroup_set_limits(leaf, &(struct cgroup_limits){ 0 }),
			  0);
	ck_assert_uint_eq(cgroup_get_unsupported_limits(leaf),
			  cgroup_set_limits(leaf, &all));
}
END_TEST

START_TEST(limits_are_written_in_the_kernel_s_words)
{
	make("memory.max");
	make("pids.max");
	make("cpu.weight");
	make("io.bfq.weight");
	make("io.max");
	ck_assert_uint_eq(cgroup_set_limits(leaf, &all), 0);
	ck_assert_uint_eq(cgroup_get_unsupported_limits(leaf), 0);
	assert_holds("memory.max", "1048576");
	assert_holds("pids.max", "7");
	assert_holds("cpu.weight", "50");
	assert_holds("io.bfq.weight", "1000");
	assert_holds("io.max", "7:12 rbps=1024 wbps=1099511627776");
}
END_TEST

static const struct {
	uint64_t read, write;
	dev_t disk;
	unsigned int lacking;
	const char *text;
} rates[] = {
	{ 0, 2048, DISK, 0, "7:12 rbps=max wbps=2048" },
	{ 2048, 0, DISK, 0, "7:12 rbps=2048 wbps=max" },
	/* None any more: what was there goes. */
	{ 0, 0, DISK, 0, "7:12 rbps=max wbps=max" },
	{ 0, 0, 0, 0, "" },
	{ 2048, 0, 0, CGROUP_LIMIT_READ, "" },
	{ 2048, 2048, 0, CGROUP_LIMIT_READ | CGROUP_LIMIT_WRITE, "" },
};

START_TEST(rates_are_of_the_disk_that_the_data_is_on)
{
	const struct cgroup_limits l = { .io_read_max = rates[_i].read,
					 .io_write_max = rates[_i].write,
					 .disk = rates[_i].disk };

	make("io.max");
	make("memory.max");
	ck_assert_uint_eq(cgroup_set_limits(leaf, &l), rates[_i].lacking);
	assert_holds("io.max", rates[_i].text);
}
END_TEST

/* What is written later is charged to nobody then. */
START_TEST(without_memory_beside_it_writes_are_not_limited)
{
	const struct cgroup_limits l = { .io_write_max = 2048, .disk = DISK };

	make("io.max");
	ck_assert_uint_eq(cgroup_set_limits(leaf, &l), CGROUP_LIMIT_WRITE);
	ck_assert(cgroup_get_unsupported_limits(leaf) & CGROUP_LIMIT_WRITE);
	ck_assert(!(cgroup_get_unsupported_limits(leaf) & CGROUP_LIMIT_READ));
}
END_TEST

START_TEST(what_ends_waits_for_no_rate)
{
	make("io.max");
	cgroup_clear_io_limits(leaf, DISK);
	assert_holds("io.max", "7:12 rbps=max wbps=max");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_no_controller_takes_is_told);
	tcase_add_test(tc, limits_are_written_in_the_kernel_s_words);
	tcase_add_loop_test(tc, rates_are_of_the_disk_that_the_data_is_on, 0,
			    ARRAY_SIZE(rates));
	tcase_add_test(tc, without_memory_beside_it_writes_are_not_limited);
	tcase_add_test(tc, what_ends_waits_for_no_rate);
}

UNIT_MAIN("cgroup", add)
