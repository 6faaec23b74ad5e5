/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verb.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct context {
	bool json, opened, finished;
	uint64_t number;
	char arg[32];
};

struct new_options {
	uint64_t number;
};

static int run_new(void *context, const void *opts, char **argv, struct err *e)
{
	const struct new_options *o = opts;
	struct context *c = context;

	c->number = o->number;
	snprintf(c->arg, sizeof(c->arg), "%s", argv[0]);
	return EXIT_CHANGES;
}

static int run_refused(void *context, const void *opts, char **argv,
		       struct err *e)
{
	return err_reason(e, REASON_SIGNATURE, "refused");
}

static int run_misused(void *context, const void *opts, char **argv,
		       struct err *e)
{
	return err_usage(e, "key misuse: --number is missing");
}

static void set_new_defaults(void *opts)
{
	struct new_options *o = opts;

	o->number = 7;
}

static int open_context(void *context, struct err *e)
{
	struct context *c = context;

	c->opened = true;
	return 0;
}

static void finish_context(void *context)
{
	struct context *c = context;

	c->finished = true;
}

static const struct opt new_options[] = {
	VERB_OPT(struct new_options, number, "number", 'n', OPT_NUMBER, "N",
		 "a number"),
	{ NULL },
};
static const struct verb key_verbs[] = {
	{ "new", "NAME", 1, 1, "make one", 1, new_options,
	  sizeof(struct new_options), run_new, set_new_defaults },
	{ "remove", "NAME", 1, 1, "remove one", .run = run_refused },
	{ "misuse", "", 0, 0, NULL, .run = run_misused },
	{ NULL },
};
static const struct verb exec_verbs[] = {
	{ "", "COMMAND...", 1, VERB_COMMAND_LINE, "run a program", 1,
	  .run = run_new, .opts = new_options,
	  .size = sizeof(struct new_options) },
	{ NULL },
};
static const struct verb_group groups[] = {
	{ "key", key_verbs },
	{ "exec", exec_verbs },
	{ NULL, NULL },
};
static const struct verb_option options[] = {
	{ 1, VERB_OPT(struct context, json, "format", 0, OPT_FORMAT, "FORMAT",
		      "table or json") },
	{ 0, { NULL } },
};
static const struct verb_program program = {
	.name = "test",
	.summary = "Tests.",
	.groups = groups,
	.options = options,
	.codes = true,
	.open = open_context,
	.finish = finish_context,
};

/* Runs the words of `line`; what is said on stdout and stderr is in *ret. */
static int run_line(const char *line, struct context *c, char **ret)
{
	auto_free char *words = strdup(line);
	char *argv[10] = { 0 }, *save = NULL;
	FILE *saved = stdout, *f = tmpfile();
	int argc = 0, r, stderr_fd = dup(STDERR_FILENO);
	long size;

	for (char *w = strtok_r(words, " ", &save); w;
	     w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	*c = (struct context){ 0 };
	stdout = f;
	dup2(fileno(f), STDERR_FILENO);
	r = verb_main(&program, c, argc, argv);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	stdout = saved;
	fflush(f);
	size = lseek(fileno(f), 0, SEEK_END);
	*ret = calloc(1, (size_t)size + 1);
	ck_assert_int_eq(pread(fileno(f), *ret, (size_t)size, 0), size);
	fclose(f);
	return r;
}

static const struct {
	const char *line;
	int code;
	const char *said; /* part of it */
} lines[] = {
	{ "test", EXIT_USAGE, "Usage: test NOUN VERB" },
	{ "test --help", EXIT_SUCCESS, "  key new NAME     make one\n" },
	{ "test help", EXIT_SUCCESS, "  exec COMMAND...  run a program\n" },
	{ "test key", EXIT_USAGE, "  key new NAME" },
	{ "test key --help", EXIT_SUCCESS, "  key new NAME" },
	{ "test key new --help", EXIT_SUCCESS,
	  "Usage: test key new [OPTION...] NAME\nmake one\n" },
	{ "test --version", EXIT_SUCCESS, "test (" },
	{ "test --list-verbs", EXIT_SUCCESS,
	  "key new --number= --format=\nkey remove\n"
	  "exec --number= --format=\n" },
	{ "test kye new x", EXIT_USAGE,
	  "unknown noun 'kye'; did you mean 'key'? (see test --help)\n" },
	{ "test zebra", EXIT_USAGE, "unknown noun 'zebra' (see test --help)" },
	{ "test key remvoe x", EXIT_USAGE,
	  "unknown verb 'remvoe'; did you mean 'remove'? (see test key "
	  "--help)\n" },
	{ "test key x", EXIT_USAGE,
	  "unknown verb 'x' (see test key --help)\n" },
	{ "test key misuse", EXIT_USAGE, "key misuse: --number is missing\n" },
	{ "test key new", EXIT_USAGE,
	  "usage: test key new [OPTION...] NAME\n" },
	{ "test key new a b", EXIT_USAGE, "usage: test key new" },
	{ "test key new a --nonsense", EXIT_USAGE, "unknown option" },
	{ "test key remove a --format json", EXIT_USAGE, "unknown option" },
	{ "test key remove a", EXIT_FAILURE,
	  "test: refused (err.signature)\n" },
};

START_TEST(a_line_gets_its_answer)
{
	auto_free char *said = NULL;
	struct context c;

	log_open("test");
	ck_assert_int_eq(run_line(lines[_i].line, &c, &said), lines[_i].code);
	ck_assert_msg(strstr(said, lines[_i].said), "said: %s", said);
}
END_TEST

START_TEST(options_reach_the_verb)
{
	auto_free char *said = NULL, *again = NULL;
	struct context c;

	ck_assert_int_eq(run_line("test key new a", &c, &said), EXIT_CHANGES);
	ck_assert_uint_eq(c.number, 7);
	ck_assert(c.opened && c.finished && !c.json);
	ck_assert_str_eq(c.arg, "a");
	ck_assert_int_eq(
		run_line("test key new -n 3 b --format json", &c, &again),
		EXIT_CHANGES);
	ck_assert_uint_eq(c.number, 3);
	ck_assert(c.json);
	ck_assert_str_eq(c.arg, "b");
}
END_TEST

START_TEST(a_failed_verb_is_not_finished)
{
	auto_free char *said = NULL;
	struct context c;

	run_line("test key remove a", &c, &said);
	ck_assert(c.opened && !c.finished);
}
END_TEST

START_TEST(options_behind_a_command_are_the_commands)
{
	auto_free char *said = NULL;
	struct context c;

	ck_assert_int_eq(run_line("test exec ls --nonsense", &c, &said),
			 EXIT_CHANGES);
	ck_assert_str_eq(c.arg, "ls");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, a_line_gets_its_answer, 0, ARRAY_SIZE(lines));
	tcase_add_test(tc, options_reach_the_verb);
	tcase_add_test(tc, a_failed_verb_is_not_finished);
	tcase_add_test(tc, options_behind_a_command_are_the_commands);
}

UNIT_MAIN("verb", add)
