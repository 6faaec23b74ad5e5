/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose first argument says what to do, as a table: "list",
 * "switch VP", or with nouns "key new NAME". Finding the verb, its options,
 * --help, --version, --list-verbs (for completion) and the error messages
 * follow from the table.
 *
 * Exit status: what the verb returns, 0 after --help, EXIT_FAILURE where the
 * verb failed (its error is one line on stderr), EXIT_USAGE where the command
 * line is wrong.
 */
#ifndef LIB_VERB_H
#define LIB_VERB_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/opt.h"

struct err;

/*
 * `context` is the program's own, `opts` the verb's struct of options, argv
 * the arguments behind the options; NULL ends them. Returns the exit status, or
 * a negative errno with e filled.
 */
typedef int verb_fn(void *context, const void *opts, char **argv,
		    struct err *e);

/*
 * max_args of a verb that takes another program's command line: its own options
 * end at its first argument.
 */
#define VERB_COMMAND_LINE INT_MAX

struct verb {
	const char *name; /* "": the noun alone; NULL ends the table */
	const char *args; /* "DEVICE VP" */
	int min_args, max_args;
	const char *summary; /* one line; NULL: --help leaves the verb out */
	unsigned int flags;  /* which shared options it has */
	/* `value` is the offset in a zeroed struct of `size` bytes. */
	const struct opt *opts;
	size_t size;
	verb_fn *run;
	void (*set_defaults)(void *opts); /* before parsing; may be NULL */
};

/* An option whose value is a member of the verb's struct. */
#define VERB_OPT(type, member, name, letter, kind, arg, help)                  \
	{                                                                      \
		(name), (letter), (kind), (void *)offsetof(type, member),      \
			(arg), (help)                                          \
	}

/* A table of verbs: those of a noun, or of a program that has no nouns. */
struct verb_group {
	const char *noun;	  /* NULL: the program has none */
	const struct verb *verbs; /* NULL ends the groups */
};

/* An option that several verbs have. */
struct verb_option {
	unsigned int flags; /* a verb with one of them has it; 0: each verb */
	struct opt opt; /* `value` is the offset in the context; NULL ends */
};

struct verb_program {
	const char *name;
	const char *summary;
	const struct verb_group *groups;
	const struct verb_option *options;
	bool codes; /* an error ends with its code of the contract */
	/* Before a verb runs, when its options are parsed. */
	int (*open)(void *context, struct err *e);
	/* After a verb that did not fail; may be NULL. */
	void (*finish)(void *context);
};

/* Finds, parses and runs. Returns what main() returns. */
int verb_main(const struct verb_program *p, void *context, int argc,
	      char **argv);

/*
 * For a verb whose options contradict each other: prints the error; returns
 * EXIT_USAGE.
 */
int verb_report_usage(const struct err *e);

#endif
