/* SPDX-License-Identifier: Apache-2.0 */
/* The user's terminal, and those of VPs and of programs in them. */
#ifndef CELLSCTL_TERMINAL_H
#define CELLSCTL_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct err;

/* Joins the user's and a VP's console until Ctrl-], end of input, or the end of
 * the console. */
int terminal_connect_console(int console, struct err *e);

/*
 * A terminal of its own for a program that is not trusted with the user's: what
 * it is given it may keep, read from and write to after it has ended.
 * *ret_slave is for the program.
 */
int terminal_open_pty(int *ret_master, int *ret_slave, struct err *e);

/* Where standard input is a terminal, it passes all keys on until it is
 * restored, and `console` gets its size. */
struct terminal_mode {
	bool is_set;
	struct termios before;
};
int terminal_set_raw(int console, struct terminal_mode *ret, struct err *e);
void terminal_restore(const struct terminal_mode *m);

/* A signalfd for new sizes (or -1), and what to do when it can be read. */
int terminal_watch_size(void);
void terminal_update_size(int resized, int console);

#endif
