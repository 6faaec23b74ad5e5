/* SPDX-License-Identifier: Apache-2.0 */
/* A line from the person at the terminal: passwords and confirmations. */
#ifndef LIB_TTY_LINE_H
#define LIB_TTY_LINE_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define TTY_LINE_SIZE 1024 /* with the NUL */

/*
 * Asks on /dev/tty and discards what was typed before the question. Without
 * `echo`, the line is not shown while it is typed. ret gets the line without
 * its newline; the caller zeroes a secret. The terminal's settings are restored
 * before this returns. -ENXIO: there is no terminal; else as tty_line_read().
 */
int tty_line_ask(const char *question, bool echo, char ret[TTY_LINE_SIZE],
		 size_t *ret_len, struct err *e);

/* Reads one line from fd and nothing behind it. -ENODATA: the input has ended;
 * -EINVAL: the line is too long. */
int tty_line_read(int fd, char ret[TTY_LINE_SIZE], size_t *ret_len,
		  struct err *e);

#endif
