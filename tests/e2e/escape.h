/* SPDX-License-Identifier: Apache-2.0 */
/* What a VP's root may try in order to get out, for test_escape.py. */
#ifndef TESTS_ESCAPE_H
#define TESTS_ESCAPE_H

#define ESCAPE_SKIP 1 /* there is nothing here to try it on */

/*
 * One attempt. `fn` really tries and returns 0 if it succeeded, which is the
 * failure; else -errno, which has to be `want` (or `or`).
 */
struct escape {
	const char *name;
	int (*fn)(const struct escape *t);
	int want, or ;
	const char *path, *text;
	long call, arg[4];
	int harmless; /* even where it succeeds */
};

extern const struct escape escapes[]; /* ends with a NULL name */

/* The text behind "key=" on the command line, or NULL. */
const char *escape_arg(const char *key);

#endif
