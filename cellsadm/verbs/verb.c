/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsadm/verbs/verb.h"

#include "cellsadm/adm.h"
#include "cellsadm/remote.h"
#include "cellsadm/verbs/group_expiry.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define OPTS_MAX 64
#define SHARED_MAX 12 /* of them, at most */

const struct verb *verb_at(unsigned int i)
{
#define VERB_TABLE(noun) verb_##noun##_table,
	static const struct verb *const tables[] = { VERB_NOUNS(VERB_TABLE) };
#undef VERB_TABLE

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
		for (const struct verb *v = tables[t]; v->noun; v++)
			if (i-- == 0)
				return v;
	return NULL;
}

static void add_shared_options(struct adm *a, unsigned int flags, struct opt *o)
{
	const struct {
		unsigned int flags;
		struct opt opt;
	} shared[] = {
		{ VERB_KEYS,
		  { "key", 'k', OPT_LIST, &a->keys, "KEY",
		    "key to sign with: a file or a name; several times" } },
		{ VERB_KEYS | VERB_PASSWORD,
		  { "password-file", 0, OPT_LIST, &a->password_files, "FILE",
		    "password of the key, its first line" } },
		{ VERB_KEYS | VERB_PASSWORD,
		  { "password-stdin", 0, OPT_FLAG, &a->password_stdin, NULL,
		    "password of the key from standard input" } },
		{ VERB_ROOT,
		  { "root", 0, OPT_STRING, &a->root_option, "FILE",
		    "the root in force, instead of the server's" } },
		{ VERB_YES,
		  { "yes", 'y', OPT_FLAG, &a->yes, NULL, "do not ask" } },
		{ VERB_FORMAT,
		  { "format", 'f', OPT_FORMAT, &a->json, "FORMAT",
		    "table or json" } },
		{ VERB_SERVER,
		  { "server", 's', OPT_STRING, &a->server_option, "NAME",
		    "server of that name in the configuration" } },
		{ ~0U,
		  { "config-dir", 0, OPT_STRING, &a->folder_option, "DIR",
		    "instead of ~/.config/cells" } },
	};

	_Static_assert(ARRAY_SIZE(shared) < SHARED_MAX, "no room for all");
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (shared[i].flags & (flags | (shared[i].flags == ~0U)))
			*o++ = shared[i].opt;
	*o = (struct opt){ NULL };
}

/* The verb's own options, bound to its struct, and those it shares. */
static void bind_verb_options(struct adm *a, const struct verb *v, void *values,
			      struct opt o[OPTS_MAX])
{
	unsigned int n = 0;

	for (; v->opts && v->opts[n].name; n++) {
		assert(n < OPTS_MAX - SHARED_MAX);
		o[n] = v->opts[n];
		o[n].value = (char *)values + (uintptr_t)v->opts[n].value;
	}
	add_shared_options(a, v->flags, &o[n]);
}

static const struct verb *find_verb(const char *noun, const char *name)
{
	const struct verb *v;

	for (unsigned int i = 0; (v = verb_at(i)); i++)
		if (strcmp(v->noun, noun) == 0 &&
		    (!name || strcmp(v->name, name) == 0))
			return v;
	return NULL;
}

static void print_verb_summary(const struct verb *v)
{
	char left[80];

	snprintf(left, sizeof(left), "%s%s%s%s%s", v->noun, *v->name ? " " : "",
		 v->name, *v->args ? " " : "", v->args);
	printf("  %-38s %s\n", left, v->summary);
}

static int print_usage_text(const char *noun)
{
	const struct verb *v;

	printf("Usage: cellsadm NOUN VERB [OPTION...] [ARGUMENT...]\n"
	       "Signs documents of Cells and administers its server.\n\n");

	for (unsigned int i = 0; (v = verb_at(i)); i++)
		if (!noun || strcmp(v->noun, noun) == 0)
			print_verb_summary(v);
	printf("\ncellsadm NOUN VERB --help lists a verb's options.\n");
	return 0;
}

/* For the completions and their test: noun, verb, options, a line each. */
static int print_verb_list(struct adm *a)
{
	const struct verb *v;

	for (unsigned int i = 0; (v = verb_at(i)); i++) {
		auto_free void *values = calloc(1, v->size + 1);
		struct opt o[OPTS_MAX];

		if (!values)
			return EXIT_FAILURE;
		bind_verb_options(a, v, values, o);
		printf("%s%s%s", v->noun, *v->name ? " " : "", v->name);
		for (const struct opt *p = o; p->name; p++)
			printf(" --%s%s", p->name, p->arg ? "=" : "");
		printf("\n");
	}
	return 0;
}

static int report_usage_error(const struct err *e)
{
	log_error("%s", e->text);
	return EXIT_USAGE;
}

/* One line: what was tried, on what, why; and the contract's code. */
static int report_verb_failure(const struct err *e)
{
	const char *code = e->reason ? reason_code(e->reason) : NULL;

	if (code && !strstr(e->text, code))
		log_error("%s (%s)", e->text, code);
	else
		log_error("%s", e->text);
	return EXIT_FAILURE;
}

static int run_verb(struct adm *a, const struct verb *v, int argc, char **argv)
{
	auto_free void *values = calloc(1, v->size + 1);
	struct opt o[OPTS_MAX];
	char name[64];
	struct opt_program p = { name, v->args, v->summary, o };
	struct err e = { 0 };
	int first, r;

	if (!values) {
		err_oom(&e, v->noun);
		return report_verb_failure(&e);
	}
	bind_verb_options(a, v, values, o);
	snprintf(name, sizeof(name), "cellsadm %s%s%s", v->noun,
		 *v->name ? " " : "", v->name);
	first = opt_parse(&p, argc, argv, true, &e);
	if (first == -ECANCELED)
		return 0;
	if (first < 0)
		return report_usage_error(&e);
	if (argc - first < v->min_args || argc - first > v->max_args) {
		err_set(&e, EINVAL, "usage: %s [OPTION...] %s", name, v->args);
		return report_usage_error(&e);
	}
	r = adm_open(a, &e);
	if (r >= 0)
		r = v->run(a, values, argv + first, &e);
	if (r < 0)
		return report_verb_failure(&e);
	group_expiry_report(a);
	return r;
}

static void close_remote_and_adm(struct adm *a)
{
	remote_close(a);
	adm_close(a);
}

int verb_main(int argc, char **argv)
{
	AUTO(close_remote_and_adm) struct adm a = { 0 };
	const struct verb *v;
	struct err e;

	if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "help") == 0)
		return print_usage_text(NULL) + (argc < 2 ? EXIT_USAGE : 0);
	if (strcmp(argv[1], "--list-verbs") == 0)
		return print_verb_list(&a);
	if (strcmp(argv[1], "--version") == 0) {
		opt_print_version("cellsadm");
		return 0;
	}
	v = find_verb(argv[1], NULL);
	if (!v) {
		err_set(&e, EINVAL, "no such noun: %s (see cellsadm --help)",
			argv[1]);
		return report_usage_error(&e);
	}
	if (!*v->name)
		return run_verb(&a, v, argc - 1, argv + 1);
	if (argc < 3 || strcmp(argv[2], "--help") == 0)
		return print_usage_text(argv[1]) + (argc < 3 ? EXIT_USAGE : 0);
	v = find_verb(argv[1], argv[2]);
	if (!v) {
		err_set(&e, EINVAL,
			"no such verb: %s %s (see cellsadm %s --help)", argv[1],
			argv[2], argv[1]);
		return report_usage_error(&e);
	}
	return run_verb(&a, v, argc - 2, argv + 2);
}
