/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt-server/core/password_pool.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#define PASSWORD "correct horse battery"
/* Cheap ones: 1 MiB, by argon2(1); is_right then makes a current one. */
#define CHEAP                                                                  \
	"$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$9osgF9Vj/"       \
	"OWKKHDH0I89IVwT2taN4B89WCPCiZ5aS1Q"

static struct err e;

/* What the child behind fd answers. */
static struct password_result wait_for_result(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct password_result ret = { 0 };

	ck_assert_int_eq(poll(&p, 1, 60000), 1);
	ck_assert_msg(password_pool_read(fd, &ret, &e) == 0, "%s", e.text);
	return ret;
}

/* Until no child is left. */
static void reap_all(struct password_pool *p)
{
	siginfo_t info;

	while (p->running > 0) {
		ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
		password_pool_reap(p);
	}
}

static struct password_result ask_pool(const char *hash, const char *password)
{
	struct password_pool p = { 0 };
	struct password_result ret;
	auto_close int fd = -1;

	ck_assert_int_eq(password_pool_start(&p, hash, password, &fd, &e), 0);
	ck_assert_uint_eq(p.running, 1);
	ret = wait_for_result(fd);
	reap_all(&p);
	return ret;
}

START_TEST(new_password_gets_a_current_hash)
{
	const struct password_result got = ask_pool(NULL, PASSWORD);

	ck_assert(got.is_right);
	ck_assert(password_hash_is_current(got.hash));
	ck_assert_int_eq(password_hash_verify(got.hash, PASSWORD, &e), 0);
}
END_TEST

START_TEST(current_hash_of_a_right_password_stays)
{
	char hash[PASSWORD_HASH_SIZE];
	struct password_result got;

	ck_assert_int_eq(password_hash_create(PASSWORD, hash, &e), 0);
	got = ask_pool(hash, PASSWORD);
	ck_assert(got.is_right);
	ck_assert_str_eq(got.hash, "");
}
END_TEST

START_TEST(older_hash_of_a_right_password_is_made_again)
{
	const struct password_result got = ask_pool(CHEAP, PASSWORD);

	ck_assert(got.is_right);
	ck_assert(password_hash_is_current(got.hash));
	ck_assert_int_eq(password_hash_verify(got.hash, PASSWORD, &e), 0);
}
END_TEST

START_TEST(wrong_password_changes_nothing)
{
	const struct password_result got = ask_pool(CHEAP, PASSWORD "s");

	ck_assert(!got.is_right);
	ck_assert_str_eq(got.hash, "");
}
END_TEST

/* 64 MiB each: more of them wait. */
START_TEST(only_so_many_run_at_a_time)
{
	int fds[PASSWORD_POOL_MAX], more = -1;
	struct password_pool p = { 0 };

	for (unsigned int i = 0; i < PASSWORD_POOL_MAX; i++)
		ck_assert_int_eq(
			password_pool_start(&p, CHEAP, "wrong", &fds[i], &e),
			0);
	ck_assert_int_eq(password_pool_start(&p, CHEAP, "wrong", &more, &e), 1);
	ck_assert_int_eq(more, -1);
	for (unsigned int i = 0; i < PASSWORD_POOL_MAX; i++) {
		wait_for_result(fds[i]);
		close(fds[i]);
	}
	reap_all(&p);
	ck_assert_int_eq(password_pool_start(&p, CHEAP, "wrong", &more, &e), 0);
	wait_for_result(more);
	close(more);
	reap_all(&p);
}
END_TEST

START_TEST(child_that_failed_is_an_error)
{
	struct password_pool p = { 0 };
	struct password_result got;
	auto_close int fd = -1;

	ck_assert_int_eq(password_pool_start(&p, "no hash", "x", &fd, &e), 0);
	reap_all(&p);
	ck_assert_int_lt(password_pool_read(fd, &got, &e), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, new_password_gets_a_current_hash);
	tcase_add_test(tc, current_hash_of_a_right_password_stays);
	tcase_add_test(tc, older_hash_of_a_right_password_is_made_again);
	tcase_add_test(tc, wrong_password_changes_nothing);
	tcase_add_test(tc, only_so_many_run_at_a_time);
	tcase_add_test(tc, child_that_failed_is_an_error);
}

UNIT_MAIN("password_pool", add)
