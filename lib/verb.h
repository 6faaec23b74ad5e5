/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program whose first argument selects a verb, as a table: "list", "switch
 * VP", or with nouns "key new NAME". Parsing of verbs and options, --help,
 * --version, --list-verbs (for completion) and error messages use the table.
 *
 * Exit status: that of the verb; 0 after --help; EXIT_FAILURE if the verb
 * failed (its error is one line on stderr); EXIT_USAGE if the command line is
 * wrong or the verb returns err_usage().
 */
#ifndef LIB_VERB_H
#define LIB_VERB_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/opt.h"

struct err;

/*
 * `context` is the context of the program, `opts` the options of the verb, and
 * argv the arguments after the options, which NULL ends. Returns the exit
 * status, or a negative errno with e filled.
 */
typedef int verb_fn(void *context, const void *opts, char **argv,
		    struct err *e);

/*
 * max_args of a verb that takes the command line of another program: the
 * options of the verb end at its first argument.
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

/*
 * A table of verbs: those of a noun, or all verbs of a program without nouns.
 */
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

/*
 * Finds the verb, parses its options and runs it. Returns the value for main()
 * to return.
 */
int verb_main(const struct verb_program *p, void *context, int argc,
	      char **argv);

/*
 * For a verb with contradicting options: prints the error and returns
 * EXIT_USAGE.
 */
int verb_report_usage(const struct err *e);

#endif
