/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/storage/file_tree.h"

#include "lib/auto.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define LEVELS 2000
#define MANY 3000

static int dir, outside;

static void setup(void)
{
	const char *path = unit_folder();

	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(dir, "outside", 0700), 0);
	ck_assert_int_eq(mkdirat(dir, "root", 0700), 0);
	outside = openat(dir, "outside/kept", O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ge(outside, 0);
}

static void teardown(void)
{
	struct stat st;

	/* What the root does not hold is left alone, links into it or not. */
	ck_assert_int_eq(fstatat(dir, "outside/kept", &st, 0), 0);
	close(outside);
	close(dir);
}

static void make_file(int at, const char *name)
{
	auto_close int fd = openat(at, name, O_CREAT | O_WRONLY, 0600);

	ck_assert_int_eq(write(fd, "x", 1), 1);
}

/* A file and a folder on each level. */
static void make_deep(const char *top)
{
	int at = openat(dir, top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < LEVELS; i++) {
		int next;

		make_file(at, "file");
		ck_assert_int_eq(mkdirat(at, "down", 0700), 0);
		next = openat(at, "down", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		close(at);
		at = next;
	}
	close(at);
}

static void assert_removed(void)
{
	struct stat st;

	ck_assert_int_eq(file_tree_remove(dir, "root"), 0);
	ck_assert_int_eq(fstatat(dir, "root", &st, 0), -1);
	ck_assert_int_eq(errno, ENOENT);
}

START_TEST(however_deep_it_is_measured_and_removed)
{
	const struct rlimit few = { 32, 32 };
	uint64_t bytes = 0;

	make_deep("root");
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(file_tree_measure(dir, "root", &bytes), 0);
	ck_assert_uint_ge(bytes, (uint64_t)LEVELS * 512);
	assert_removed();
}
END_TEST

/* Each is measured once, whatever the order in which they are found. */
START_TEST(many_folders_side_by_side_are_measured_once)
{
	int root = openat(dir, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t bytes = 0, want = 0;
	struct stat st;

	for (int i = 0; i < MANY; i++) {
		const char *name = unit_text("folder-%d", i);
		const char *file = unit_text("folder-%d/file", i);

		ck_assert_int_eq(mkdirat(root, name, 0700), 0);
		make_file(root, file);
		ck_assert_int_eq(fstatat(root, name, &st, 0), 0);
		want += (uint64_t)st.st_blocks * 512;
		ck_assert_int_eq(fstatat(root, file, &st, 0), 0);
		want += (uint64_t)st.st_blocks * 512;
	}
	close(root);
	ck_assert_int_eq(file_tree_measure(dir, "root", &bytes), 0);
	ck_assert_uint_eq(bytes, want);
	assert_removed();
}
END_TEST

START_TEST(links_are_removed_and_not_followed)
{
	ck_assert_int_eq(symlinkat("../outside", dir, "root/link"), 0);
	ck_assert_int_eq(symlinkat("nowhere", dir, "root/broken"), 0);
	assert_removed();
	ck_assert_int_eq(symlinkat("outside", dir, "root"), 0);
	ck_assert_int_lt(file_tree_remove(dir, "root"), 0);
}
END_TEST

START_TEST(what_is_not_there_takes_nothing)
{
	uint64_t bytes = 1;

	ck_assert_int_eq(file_tree_measure(dir, "none", &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(file_tree_remove(dir, "none"), 0);
	assert_removed();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, however_deep_it_is_measured_and_removed);
	tcase_add_test(tc, many_folders_side_by_side_are_measured_once);
	tcase_add_test(tc, links_are_removed_and_not_followed);
	tcase_add_test(tc, what_is_not_there_takes_nothing);
}

UNIT_MAIN("file_tree", add)
