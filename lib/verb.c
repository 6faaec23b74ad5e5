/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verb.h"

#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define OPTS_MAX 64
#define NAME_SIZE 64 /* "cellsadm receipt verify" */
#define LEFT_MAX 38  /* of the column of verbs in --help */
#define TYPO_MAX 2   /* edits between a word and the one suggested */
#define WORD_MAX 32

/* ---- names */

/* "key new", "list", "version" */
static void format_verb_name(const char *noun, const struct verb *v,
			     char ret[NAME_SIZE])
{
	snprintf(ret, NAME_SIZE, "%s%s%s", noun ? noun : "",
		 noun && *v->name ? " " : "", v->name);
}

static unsigned int get_min(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/*
 * Insertions, deletions, replacements and exchanges of neighbours from a to b
 * (optimal string alignment distance).
 */
static unsigned int count_word_edits(const char *a, const char *b)
{
	unsigned int d[WORD_MAX + 1][WORD_MAX + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > WORD_MAX || n > WORD_MAX)
		return UINT_MAX;
	for (unsigned int i = 0; i <= m; i++)
		for (unsigned int k = 0; k <= n; k++) {
			if (i == 0 || k == 0) {
				d[i][k] = i + k;
				continue;
			}
			d[i][k] = get_min(get_min(d[i - 1][k], d[i][k - 1]) + 1,
					  d[i - 1][k - 1] +
						  (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] &&
			    a[i - 2] == b[k - 1])
				d[i][k] = get_min(d[i][k], d[i - 2][k - 2] + 1);
		}
	return d[m][n];
}

/* Makes `word` the suggestion if it is the nearest so far. */
static void consider_suggestion(const char *typed, const char *word,
				unsigned int *best, const char **ret)
{
	unsigned int edits = count_word_edits(typed, word);

	if (edits < *best && edits < strlen(word)) {
		*best = edits;
		*ret = word;
	}
}

static int report_unknown_word(const struct verb_program *p, const char *kind,
			       const char *noun, const char *typed,
			       const char *nearest)
{
	char help[NAME_SIZE];

	snprintf(help, sizeof(help), "%s%s%s --help", p->name, noun ? " " : "",
		 noun ? noun : "");
	if (nearest)
		log_error("unknown %s '%s'; did you mean '%s'? (see %s)", kind,
			  typed, nearest, help);
	else
		log_error("unknown %s '%s' (see %s)", kind, typed, help);
	return EXIT_USAGE;
}

static int report_unknown_noun(const struct verb_program *p, const char *typed)
{
	const char *nearest = NULL;
	unsigned int best = TYPO_MAX + 1;

	for (const struct verb_group *g = p->groups; g->verbs; g++)
		consider_suggestion(typed, g->noun, &best, &nearest);
	return report_unknown_word(p, "noun", NULL, typed, nearest);
}

static bool is_same_noun(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static int report_unknown_verb(const struct verb_program *p, const char *noun,
			       const char *typed)
{
	const char *nearest = NULL;
	unsigned int best = TYPO_MAX + 1;

	for (const struct verb_group *g = p->groups; g->verbs; g++)
		for (const struct verb *v = g->verbs; v->name; v++)
			if (v->summary && is_same_noun(g->noun, noun))
				consider_suggestion(typed, v->name, &best,
						    &nearest);
	return report_unknown_word(p, "verb", noun, typed, nearest);
}

/* ---- options */

static bool has_shared_option(const struct verb *v, const struct verb_option *s)
{
	return s->flags == 0 || (s->flags & v->flags);
}

static struct opt bind_option(const struct opt *o, void *values)
{
	struct opt bound = *o;

	bound.value = (char *)values + (uintptr_t)o->value;
	return bound;
}

/* The verb's own options, bound to its struct, and the shared ones. */
static void bind_verb_options(const struct verb_program *p,
			      const struct verb *v, void *context, void *values,
			      struct opt ret[OPTS_MAX])
{
	unsigned int n = 0;

	for (const struct opt *o = v->opts; o && o->name; o++) {
		assert(n + 1 < OPTS_MAX);
		ret[n++] = bind_option(o, values);
	}
	for (const struct verb_option *s = p->options; s && s->opt.name; s++) {
		if (!has_shared_option(v, s))
			continue;
		assert(n + 1 < OPTS_MAX);
		ret[n++] = bind_option(&s->opt, context);
	}
	ret[n] = (struct opt){ NULL };
}

/* ---- help and completion */

static void format_help_entry(const struct verb_group *g, const struct verb *v,
			      char *ret, size_t size)
{
	char name[NAME_SIZE];

	format_verb_name(g->noun, v, name);
	snprintf(ret, size, "%s%s%s", name, *v->args ? " " : "", v->args);
}

static int measure_help_entries(const struct verb_program *p, const char *noun)
{
	char left[2 * NAME_SIZE];
	size_t widest = strlen("--list-verbs");

	for (const struct verb_group *g = p->groups; g->verbs; g++)
		for (const struct verb *v = g->verbs; v->name; v++) {
			format_help_entry(g, v, left, sizeof(left));
			if ((!noun || is_same_noun(g->noun, noun)) &&
			    strlen(left) > widest && strlen(left) <= LEFT_MAX)
				widest = strlen(left);
		}
	return (int)widest;
}

/* Of one noun, or of all verbs. */
static void print_program_help(FILE *f, const struct verb_program *p,
			       const char *noun)
{
	int width = measure_help_entries(p, noun);
	char left[2 * NAME_SIZE];

	fprintf(f, "Usage: %s %sVERB [OPTION...] [ARGUMENT...]\n%s\n\nVerbs:\n",
		p->name, p->groups->noun ? "NOUN " : "", p->summary);
	for (const struct verb_group *g = p->groups; g->verbs; g++)
		for (const struct verb *v = g->verbs; v->name; v++) {
			if (!v->summary ||
			    (noun && !is_same_noun(g->noun, noun)))
				continue;
			format_help_entry(g, v, left, sizeof(left));
			fprintf(f, "  %-*s  %s\n", width, left, v->summary);
		}
	fprintf(f,
		"\nOptions:\n"
		"  %-*s  print this; after a verb, its options\n"
		"  %-*s  print the version\n"
		"  %-*s  print verbs and options, for completion\n",
		width, "--help", width, "--version", width, "--list-verbs");
}

static void print_option_word(const struct opt *o)
{
	printf(" --%s%s", o->name, o->arg ? "=" : "");
}

/* A line for each: noun, verb, "--option", "--option-with-value=". */
static void print_verb_list(const struct verb_program *p)
{
	char name[NAME_SIZE];

	for (const struct verb_group *g = p->groups; g->verbs; g++)
		for (const struct verb *v = g->verbs; v->name; v++) {
			if (!v->summary)
				continue;
			format_verb_name(g->noun, v, name);
			fputs(name, stdout);
			for (const struct opt *o = v->opts; o && o->name; o++)
				print_option_word(o);
			for (const struct verb_option *s = p->options;
			     s && s->opt.name; s++)
				if (has_shared_option(v, s))
					print_option_word(&s->opt);
			putchar('\n');
		}
}

/* ---- running */

int verb_report_usage(const struct err *e)
{
	log_error("%s", e->text);
	return EXIT_USAGE;
}

/* One line: what was tried, on what, why; and the contract's code. */
static int report_verb_failure(const struct verb_program *p,
			       const struct err *e)
{
	const char *code =
		p->codes && e->reason ? reason_code(e->reason) : NULL;

	if (code && !strstr(e->text, code))
		log_error("%s (%s)", e->text, code);
	else
		log_error("%s", e->text);
	return EXIT_FAILURE;
}

static int run_parsed_verb(const struct verb_program *p, const struct verb *v,
			   void *context, const void *values, char **argv)
{
	struct err e = { 0 };
	int r = p->open ? p->open(context, &e) : 0;

	if (r >= 0)
		r = v->run(context, values, argv, &e);
	if (r < 0)
		return e.is_usage ? verb_report_usage(&e)
				  : report_verb_failure(p, &e);
	if (p->finish)
		p->finish(context);
	return r;
}

/* argv[0] is the verb. */
static int parse_and_run_verb(const struct verb_program *p, const char *noun,
			      const struct verb *v, void *context, int argc,
			      char **argv)
{
	auto_free void *values = calloc(1, v->size + 1);
	char verb[NAME_SIZE], name[2 * NAME_SIZE];
	struct opt opts[OPTS_MAX];
	const struct opt_program program = { name, v->args,
					     v->summary ? v->summary : "",
					     opts };
	struct err e = { 0 };
	int first;

	if (!values) {
		err_oom(&e, v->name);
		return report_verb_failure(p, &e);
	}
	if (v->set_defaults)
		v->set_defaults(values);
	bind_verb_options(p, v, context, values, opts);
	format_verb_name(noun, v, verb);
	snprintf(name, sizeof(name), "%s %s", p->name, verb);
	first = opt_parse(&program, argc, argv,
			  v->max_args != VERB_COMMAND_LINE, &e);
	if (first == -ECANCELED)
		return EXIT_SUCCESS;
	if (first >= 0 &&
	    (argc - first < v->min_args || argc - first > v->max_args))
		first = err_set(&e, EINVAL, "usage: %s [OPTION...]%s%s", name,
				*v->args ? " " : "", v->args);
	return first < 0 ? verb_report_usage(&e)
			 : run_parsed_verb(p, v, context, values, argv + first);
}

static const struct verb *find_verb(const struct verb_program *p,
				    const char *noun, const char *name)
{
	for (const struct verb_group *g = p->groups; g->verbs; g++)
		for (const struct verb *v = g->verbs; v->name; v++)
			if (is_same_noun(g->noun, noun) &&
			    strcmp(v->name, name) == 0)
				return v;
	return NULL;
}

static bool has_noun(const struct verb_program *p, const char *noun)
{
	for (const struct verb_group *g = p->groups; g->verbs; g++)
		if (is_same_noun(g->noun, noun))
			return true;
	return false;
}

static bool is_help_word(const char *s)
{
	return strcmp(s, "--help") == 0 || strcmp(s, "help") == 0;
}

/* argv[0] is the noun, or the program where there are no nouns (NULL). */
static int run_noun_verb(const struct verb_program *p, const char *noun,
			 void *context, int argc, char **argv)
{
	const struct verb *v;

	if (argc < 2 || is_help_word(argv[1])) {
		print_program_help(argc < 2 ? stderr : stdout, p, noun);
		return argc < 2 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	v = find_verb(p, noun, argv[1]);
	return v ? parse_and_run_verb(p, noun, v, context, argc - 1, argv + 1)
		 : report_unknown_verb(p, noun, argv[1]);
}

int verb_main(const struct verb_program *p, void *context, int argc,
	      char **argv)
{
	const char *noun = argv[1];
	const struct verb *v;

	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		opt_print_version(p->name);
		return EXIT_SUCCESS;
	}
	if (argc >= 2 && strcmp(argv[1], "--list-verbs") == 0) {
		print_verb_list(p);
		return EXIT_SUCCESS;
	}
	if (argc < 2 || is_help_word(noun) || !p->groups->noun)
		return run_noun_verb(p, NULL, context, argc, argv);
	if (!has_noun(p, noun))
		return report_unknown_noun(p, noun);
	v = find_verb(p, noun, "");
	return v ? parse_and_run_verb(p, noun, v, context, argc - 1, argv + 1)
		 : run_noun_verb(p, noun, context, argc - 1, argv + 1);
}
