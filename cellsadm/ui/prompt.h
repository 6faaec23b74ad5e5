/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: from the terminal without echo, or, for scripts, from a file or
 * standard input (the first line).
 */
#ifndef CELLSADM_UI_PROMPT_H
#define CELLSADM_UI_PROMPT_H

#include <stdbool.h>

struct err;

/*
 * Asks on /dev/tty. A new password is asked for twice, has PROMPT_MIN
 * characters at least, and six random words are offered: an empty answer takes
 * them. The caller ends *ret with prompt_free(). -ENXIO: no terminal.
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
