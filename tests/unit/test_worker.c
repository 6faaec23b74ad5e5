/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/worker.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE ((size_t)5 * 1024 * 1024)

static sd_event *event;
static struct worker *worker;
static struct err e;

/* What came back; what the child did to these is not seen here. */
static unsigned int answers;
static char *answer;
static size_t answer_len;
static struct err why;
static int left_behind;

static void forget(void)
{
	answers = 0;
	free(answer);
	answer = NULL;
	answer_len = 0;
	why = (struct err){ 0 };
	left_behind = 0;
}

static void done(void *user, const char *text, size_t len,
		 const struct err *err)
{
	answers++;
	if (text) {
		answer = strndup(text, len);
		answer_len = len;
	}
	if (err)
		why = *err;
	worker_free(steal(worker));
	sd_event_exit(event, 0);
}

static void run(const struct worker_kind *kind, const void *what)
{
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_msg(worker_new(event, kind, what, NULL, &worker, &e) == 0,
		      "%s", e.text);
	ck_assert_int_eq(sd_event_loop(event), 0);
	sd_event_unref(event);
	ck_assert_uint_eq(answers, 1);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child */
}

static int repeat(const void *what, char **ret, size_t *len, struct err *err)
{
	left_behind = 1;
	*ret = strdup(what);
	*len = strlen(*ret);
	return 0;
}

START_TEST(answer_is_all_that_comes_back)
{
	run(&(struct worker_kind){ 10, repeat, done }, "what was asked");
	ck_assert_str_eq(answer, "what was asked");
	ck_assert_int_eq(left_behind, 0);
}
END_TEST

static int talk(const void *what, char **ret, size_t *len, struct err *err)
{
	*len = *(const size_t *)what;
	*ret = malloc(*len);
	memset(*ret, 'x', *len);
	return 0;
}

static int stop_first(const void *what, char **ret, size_t *len,
		      struct err *err)
{
	raise(SIGTERM);
	return repeat(what, ret, len, err);
}

/* A stop of the service reaches both; its end is for the loop to see. */
START_TEST(stop_does_not_end_the_child)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	run(&(struct worker_kind){ 10, stop_first, done }, "what was asked");
	ck_assert_ptr_nonnull(answer);
	ck_assert_str_eq(answer, "what was asked");
}
END_TEST

START_TEST(long_answer_is_whole)
{
	const size_t len = LARGE;

	run(&(struct worker_kind){ 30, talk, done }, &len);
	ck_assert_uint_eq(answer_len, len);
	ck_assert_int_eq(answer[len - 1], 'x');
}
END_TEST

START_TEST(answer_without_end_is_refused)
{
	const size_t len = 3 * (size_t)WORKER_ANSWER_MAX;

	run(&(struct worker_kind){ 30, talk, done }, &len);
	ck_assert_ptr_null(answer);
	ck_assert_ptr_nonnull(strstr(why.text, "too large"));
}
END_TEST

static int refuse(const void *what, char **ret, size_t *len, struct err *err)
{
	return err_reason(err, REASON_BUSY, "not today");
}

static int die(const void *what, char **ret, size_t *len, struct err *err)
{
	raise(SIGKILL);
	return 0;
}

/* Of its answer the second half cannot be read, so the first is all it gives.
 */
static int break_off(const void *what, char **ret, size_t *len, struct err *err)
{
	*len = 2 * (size_t)getpagesize();
	*ret = mmap(NULL, *len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(*ret + *len / 2, *len / 2, PROT_NONE);
}

static int sleep_on(const void *what, char **ret, size_t *len, struct err *err)
{
	pause();
	return 0;
}

static const struct {
	struct worker_kind kind;
	const char *text;
	enum reason reason;
} failures[] = {
	{ { 10, refuse, done }, "not today", REASON_BUSY },
	{ { 10, die, done }, "the worker ended without an answer" },
	{ { 10, break_off, done }, "the worker ended without an answer" },
	{ { 1, sleep_on, done }, "no answer in 1 s" },
};

START_TEST(failure_is_told)
{
	run(&failures[_i].kind, NULL);
	ck_assert_ptr_null(answer);
	ck_assert_str_eq(why.text, failures[_i].text);
	ck_assert_int_eq(why.reason, failures[_i].reason);
}
END_TEST

START_TEST(freed_envoy_is_over)
{
	const struct worker_kind kind = { 10, sleep_on, done };

	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_eq(worker_new(event, &kind, NULL, NULL, &worker, &e), 0);
	worker_free(worker);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(sd_event_run(event, 0), 0);
	ck_assert_uint_eq(answers, 0);
	sd_event_unref(event);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_checked_fixture(tc, forget, forget);
	tcase_add_test(tc, answer_is_all_that_comes_back);
	tcase_add_test(tc, stop_does_not_end_the_child);
	tcase_add_test(tc, long_answer_is_whole);
	tcase_add_test(tc, answer_without_end_is_refused);
	tcase_add_loop_test(tc, failure_is_told, 0, ARRAY_SIZE(failures));
	tcase_add_test(tc, freed_envoy_is_over);
}

UNIT_MAIN("worker", add)
