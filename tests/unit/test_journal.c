/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/journal.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char path[512], seen[65536];
static struct err e;

static int note(void *arg, const char *const *word, unsigned int n,
		struct err *err)
{
	for (unsigned int i = 0; i < n; i++) {
		strcat(seen, word[i]);
		strcat(seen, i + 1 < n ? "|" : ";");
	}
	return 0;
}

static struct journal *open_log(void)
{
	struct journal *j = NULL;

	seen[0] = '\0';
	ck_assert_msg(journal_open(path, note, NULL, &j, &e) == 0, "%s",
		      e.text);
	return j;
}

static void setup(void)
{
	snprintf(path, sizeof(path), "%s/log", unit_folder());
	unlink(path);
}

START_TEST(words_are_read_back)
{
	AUTO(journal_closep) struct journal *j = open_log();

	journal_add_record(j, "a", "", "two words", "100%", "\xc3\xa4\n", NULL);
	journal_add_record(j, "b", NULL);
	ck_assert_int_eq(journal_commit_batch(j, &e), 0);
	journal_add_record(j, "never", NULL);
	journal_discard_batch(j);
	journal_close(steal(j));
	j = open_log();
	ck_assert_str_eq(seen, "a||two words|100%|\xc3\xa4\n;b;");
}
END_TEST

/* Whatever the length at which power went, only whole batches are there. */
START_TEST(torn_tail_is_cut_off)
{
	auto_free char *text = NULL;
	size_t len, first;
	struct journal *j = open_log();

	journal_add_record(j, "first", "x", NULL);
	journal_commit_batch(j, &e);
	{
		struct stat st;

		stat(path, &st);
		first = (size_t)st.st_size;
	}
	journal_add_record(j, "second", "y", NULL);
	journal_add_record(j, "third", "z", NULL);
	journal_commit_batch(j, &e);
	journal_close(j);
	ck_assert_int_eq(io_read_file(path, 4096, &text, &len, &e), 0);
	for (size_t n = 0; n <= len; n++) {
		FILE *f = fopen(path, "w");

		fwrite(text, 1, n, f);
		fclose(f);
		j = open_log();
		ck_assert_str_eq(seen, n < first ? ""
				       : n < len ? "first|x;"
						 : "first|x;second|y;third|z;");
		journal_add_record(j, "next", NULL);
		ck_assert_int_eq(journal_commit_batch(j, &e), 0);
		journal_close(j);
		journal_close(open_log());
		ck_assert_ptr_nonnull(strstr(seen, "next;"));
	}
}
END_TEST

START_TEST(damage_in_the_middle_is_told)
{
	struct journal *j = open_log();
	int fd;

	for (int i = 0; i < 3; i++) {
		journal_add_record(j, "record", NULL);
		journal_commit_batch(j, &e);
	}
	journal_close(j);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "X", 1, 2), 1);
	close(fd);
	j = NULL;
	ck_assert_int_eq(journal_open(path, note, NULL, &j, &e), -EBADMSG);
	ck_assert_ptr_null(j);
}
END_TEST

/* Each system call fails in turn, until a run in which none did. */
START_TEST(failed_commit_leaves_the_old_or_the_new)
{
	for (unsigned int n = 1;; n++) {
		struct journal *j;
		int r;

		unlink(path);
		j = open_log();
		journal_add_record(j, "old", NULL);
		ck_assert_int_eq(journal_commit_batch(j, &e), 0);
		journal_add_record(j, "new", NULL);
		fault_at(n);
		r = journal_commit_batch(j, &e);
		if (!fault_fired()) {
			fault_at(0);
			journal_close(j);
			break;
		}
		fault_at(0);
		ck_assert_int_lt(r, 0);
		/* What was refused is not there, and the log goes on. */
		journal_add_record(j, "later", NULL);
		ck_assert_int_eq(journal_commit_batch(j, &e), 0);
		journal_close(j);
		journal_close(open_log());
		ck_assert_str_eq(seen, "old;later;");
	}
}
END_TEST

START_TEST(failed_rewrite_leaves_the_old_or_the_new)
{
	for (unsigned int n = 1;; n++) {
		struct journal *j;
		bool fired;

		unlink(path);
		j = open_log();
		journal_add_record(j, "old", NULL);
		journal_commit_batch(j, &e);
		journal_add_record(j, "new", NULL);
		fault_at(n);
		journal_rewrite(j, &e);
		fired = fault_fired();
		fault_at(0);
		/* What is committed then is in the one that has the name. */
		journal_add_record(j, "later", NULL);
		ck_assert_int_eq(journal_commit_batch(j, &e), 0);
		journal_close(j);
		journal_close(open_log());
		ck_assert(strcmp(seen, "old;later;") == 0 ||
			  strcmp(seen, "new;later;") == 0);
		if (!fired)
			break;
	}
	ck_assert_str_eq(seen, "new;later;");
}
END_TEST

/* From the n-th system call on all fail, the undoing too. */
START_TEST(no_batch_stands_behind_a_refused_one)
{
	for (unsigned int n = 1; n <= 2; n++) {
		struct journal *j;

		unlink(path);
		j = open_log();
		journal_add_record(j, "old", NULL);
		ck_assert_int_eq(journal_commit_batch(j, &e), 0);
		fault_from(n);
		for (int i = 0; i < 2; i++) {
			journal_add_record(j, "new", NULL);
			ck_assert_int_eq(journal_commit_batch(j, &e), -EIO);
		}
		fault_at(0);
		journal_add_record(j, "later", NULL);
		ck_assert_int_eq(journal_commit_batch(j, &e), 0);
		journal_close(j);
		journal_close(open_log());
		ck_assert_str_eq(seen, "old;later;");
	}
}
END_TEST

/* A power cut might bring the old log back, without what followed. */
START_TEST(nothing_is_committed_before_the_folder_is_synced)
{
	struct journal *j = open_log();

	journal_add_record(j, "new", NULL);
	fault_from(4); /* after write, fsync, rename */
	ck_assert_int_eq(journal_rewrite(j, &e), -EIO);
	journal_add_record(j, "refused", NULL);
	ck_assert_int_eq(journal_commit_batch(j, &e), -EIO);
	fault_at(0);
	journal_add_record(j, "later", NULL);
	ck_assert_int_eq(journal_commit_batch(j, &e), 0);
	journal_close(j);
	journal_close(open_log());
	ck_assert_str_eq(seen, "new;later;");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, words_are_read_back);
	tcase_add_test(tc, torn_tail_is_cut_off);
	tcase_add_test(tc, damage_in_the_middle_is_told);
	tcase_add_test(tc, failed_commit_leaves_the_old_or_the_new);
	tcase_add_test(tc, failed_rewrite_leaves_the_old_or_the_new);
	tcase_add_test(tc, no_batch_stands_behind_a_refused_one);
	tcase_add_test(tc, nothing_is_committed_before_the_folder_is_synced);
}

UNIT_MAIN("journal", add)
