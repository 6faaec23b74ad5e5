/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/opt.h"

#include "lib/auto.h"
#include "lib/encoding.h"
#include "lib/err.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void print_program_help(const struct opt_program *p)
{
	printf("Usage: %s [OPTION...]%s%s\n%s\n\nOptions:\n", p->name,
	       *p->args ? " " : "", p->args, p->summary);
	for (const struct opt *o = p->opts; o && o->name; o++) {
		char left[64], letter[8] = "    ";

		if (o->letter)
			snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name,
			 o->arg ? " " : "", o->arg ? o->arg : "");
		printf("  %-30s %s\n", left, o->help);
	}
	printf("  %-30s %s\n  %-30s %s\n", "    --help", "print this",
	       "    --version", "print the version");
}

void opt_print_version(const char *name)
{
	printf("%s (%s) %s\n", name, PACKAGE, VERSION);
}

static const struct opt *find_option(const struct opt_program *p,
				     const char *name, size_t len, char letter)
{
	for (const struct opt *o = p->opts; o && o->name; o++)
		if (name ? strlen(o->name) == len &&
				    memcmp(o->name, name, len) == 0
			 : o->letter == letter)
			return o;
	return NULL;
}

static int store_option_value(const struct opt *o, const char *value,
			      struct err *e)
{
	struct opt_list *list = o->value;

	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->value = true;
		return 0;
	case OPT_FORMAT:
		if (strcmp(value, "json") != 0 && strcmp(value, "table") != 0)
			return err_set(e, EINVAL,
				       "--%s %s: neither table nor json",
				       o->name, value);
		*(bool *)o->value = strcmp(value, "json") == 0;
		return 0;
	case OPT_STRING:
		*(const char **)o->value = value;
		return 0;
	case OPT_NUMBER:
		if (encoding_parse_number(value, UINT64_MAX, o->value) < 0)
			return err_set(e, EINVAL, "--%s %s: not a number",
				       o->name, value);
		return 0;
	case OPT_LIST:
		if (list->n == OPT_LIST_MAX)
			return err_set(e, EINVAL, "--%s: more than %d times",
				       o->name, OPT_LIST_MAX);
		list->item[list->n++] = value;
		return 0;
	}
	return 0;
}

/* Takes the option at argv[i]; returns how many arguments it used, or <0. */
static int parse_option(const struct opt_program *p, int argc, char **argv,
			int i, struct err *e)
{
	const char *arg = argv[i], *value = NULL;
	const struct opt *o;
	int r;

	if (arg[1] == '-') {
		size_t len = strcspn(arg + 2, "=");

		o = find_option(p, arg + 2, len, 0);
		if (arg[2 + len] == '=')
			value = arg + 2 + len + 1;
	} else {
		o = find_option(p, NULL, 0, arg[1]);
		if (arg[2])
			value = arg + 2;
	}
	if (!o)
		return err_set(e, EINVAL, "unknown option %s (see %s --help)",
			       arg, p->name);
	if (o->kind == OPT_FLAG && value)
		return err_set(e, EINVAL, "option %s takes no value", arg);
	if (o->kind == OPT_FLAG || value) {
		r = store_option_value(o, value, e);
		return r < 0 ? r : 1;
	}
	if (i + 1 >= argc)
		return err_set(e, EINVAL, "option %s needs %s", arg, o->arg);
	r = store_option_value(o, argv[i + 1], e);
	return r < 0 ? r : 2;
}

/* Moves the arguments [from, from + n) in front of [to, from). */
static void move_arguments(char **argv, int to, int from, int n)
{
	for (; n > 0; n--, to++, from++) {
		char *moved = argv[from];

		memmove(&argv[to + 1], &argv[to],
			(size_t)(from - to) * sizeof(*argv));
		argv[to] = moved;
	}
}

int opt_parse(const struct opt_program *p, int argc, char **argv, bool permute,
	      struct err *e)
{
	int first = 1, i = 1;

	while (i < argc) {
		int n;

		if (argv[i][0] != '-' || !argv[i][1]) {
			if (!permute)
				break;
			i++;
			continue;
		}
		if (strcmp(argv[i], "--help") == 0) {
			print_program_help(p);
			return -ECANCELED;
		}
		if (strcmp(argv[i], "--version") == 0) {
			opt_print_version(p->name);
			return -ECANCELED;
		}
		if (strcmp(argv[i], "--") == 0) {
			move_arguments(argv, first, i, 1);
			return first + 1;
		}
		n = parse_option(p, argc, argv, i, e);
		if (n < 0)
			return n;
		move_arguments(argv, first, i, n);
		first += n;
		i += n;
	}
	return first;
}
