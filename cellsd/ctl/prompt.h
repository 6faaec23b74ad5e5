/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and confirmations from whoever sits at the terminal. */
#ifndef CELLSD_PROMPT_H
#define CELLSD_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define CTLSECRET_MAX 1024

/*
 * A line from the terminal without echo, or with `from_stdin` the first line of
 * standard input. Without the newline; the caller zeroes ret when done.
 */
int ctlsecret_read(const char *prompt, bool from_stdin, char ret[CTLSECRET_MAX],
		   size_t *ret_len, struct err *e);

/* The same where an empty answer is one. */
int ctlsecret_maybe(const char *prompt, bool from_stdin,
		    char ret[CTLSECRET_MAX], size_t *ret_len, struct err *e);

/* Does the user type exactly `word` at the terminal? -ECANCELED: no. */
int ctlsecret_confirm(const char *question, const char *word, struct err *e);

#endif
