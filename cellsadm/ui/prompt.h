/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads passwords from the terminal without echo or, for scripts, from the
 * first line of a file or of standard input.
 */
#ifndef CELLSADM_UI_PROMPT_H
#define CELLSADM_UI_PROMPT_H

#include <stdbool.h>

struct err;

/*
 * Asks on /dev/tty. A new password is asked for twice and has at least
 * PROMPT_MIN characters. Six random words are suggested; an empty answer
 * accepts them. The caller ends *ret with prompt_free(). -ENXIO: there is no
 * terminal.
 */
#define PROMPT_MIN 12
int prompt_password(const char *what, bool is_new, char **ret, struct err *e);

/* The first line of the file ("-": of standard input). */
int prompt_read_file(const char *path, bool is_new, char **ret, struct err *e);

/* Zeroes, then frees. */
void prompt_free(char *password);

static inline void prompt_freep(char **password)
{
	prompt_free(*password);
}

#endif
