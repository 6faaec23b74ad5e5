/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as a table. A program lists its options once; parsing, --help,
 * --version and error messages use the table.
 */
#ifndef LIB_OPT_H
#define LIB_OPT_H

#include <stdbool.h>

#define EXIT_CHANGES 2 /* plan-like verbs that found changes */
#define EXIT_USAGE 64

struct err;

enum opt_kind {
	OPT_FLAG,   /* bool */
	OPT_FORMAT, /* bool: "json" sets it, "table" takes it back */
	OPT_STRING, /* const char *, borrowed from argv */
	OPT_NUMBER, /* uint64_t, decimal */
	OPT_LIST,   /* struct opt_list: the option may be given several times */
};

#define OPT_LIST_MAX 64 /* a vp-config's <allow>s, for one */
struct opt_list {
	const char *item[OPT_LIST_MAX];
	unsigned int n;
};

struct opt {
	const char *name; /* without the dashes; a NULL name ends the table */
	char letter;	  /* 0: none */
	enum opt_kind kind;
	void *value;
	const char *arg; /* name of the argument in --help */
	const char *help;
};

struct opt_program {
	const char *name;    /* "cellsctl list" */
	const char *args;    /* "DEVICE VP", "" */
	const char *summary; /* one line */
	const struct opt *opts;
};

/*
 * Parses options up to the first non-option argument (or "--") or, with
 * `permute`, in all arguments. Returns the index of the first argument; -EINVAL
 * with a line for the user; -ECANCELED if --help or --version was printed, and
 * the program must exit with 0.
 */
int opt_parse(const struct opt_program *p, int argc, char **argv, bool permute,
	      struct err *e);

/* Prints "cellsctl (cells) 1.0", for a program that parses its verbs itself. */
void opt_print_version(const char *name);

#endif
