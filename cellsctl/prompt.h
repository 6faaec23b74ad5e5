/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for passwords and confirmations at the terminal. */
#ifndef CELLSCTL_PROMPT_H
#define CELLSCTL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/tty_line.h"

struct err;

/*
 * Reads a line from the terminal without echo, or with `from_stdin` the first
 * line of standard input. The newline is removed. The caller zeroes ret after
 * use.
 */
int prompt_read_secret(const char *prompt, bool from_stdin,
		       char ret[TTY_LINE_SIZE], size_t *ret_len, struct err *e);

/* The same, but accepts an empty answer. */
int prompt_read_optional_secret(const char *prompt, bool from_stdin,
				char ret[TTY_LINE_SIZE], size_t *ret_len,
				struct err *e);

/*
 * Asks the user to type `word` at the terminal. -ECANCELED: the answer differs.
 */
int prompt_confirm_word(const char *question, const char *word, struct err *e);

#endif
