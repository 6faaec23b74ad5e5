/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and confirmations from the person at the terminal. */
#ifndef CELLSCTL_PROMPT_H
#define CELLSCTL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define PROMPT_MAX 1024

/*
 * A line from the terminal without echo, or with `from_stdin` the first line of
 * standard input. Without the newline; the caller zeroes ret when done.
 */
int prompt_read_secret(const char *prompt, bool from_stdin,
		       char ret[PROMPT_MAX], size_t *ret_len, struct err *e);

/* The same where an empty answer is one. */
int prompt_read_optional_secret(const char *prompt, bool from_stdin,
				char ret[PROMPT_MAX], size_t *ret_len,
				struct err *e);

/* Does the user type exactly `word` at the terminal? -ECANCELED: no. */
int prompt_confirm_word(const char *question, const char *word, struct err *e);

#endif
