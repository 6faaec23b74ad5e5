/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the user, and the terminals of VPs and of programs in them.
 */
#ifndef CELLSCTL_TERMINAL_H
#define CELLSCTL_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct err;

/*
 * Connects the user's terminal to a VP's console until Ctrl-], end of input, or
 * the end of the console.
 */
int terminal_connect_console(int console, struct err *e);

/*
 * A terminal for a program that must not receive the user's terminal, because
 * it could keep it and use it after it has ended. *ret_slave is for the
 * program.
 */
int terminal_open_pty(int *ret_master, int *ret_slave, struct err *e);

/*
 * If standard input is a terminal, makes it pass on all keys until it is
 * restored, and sets the size of `console`.
 */
struct terminal_mode {
	bool is_set;
	struct termios before;
};
int terminal_set_raw(int console, struct terminal_mode *ret, struct err *e);
void terminal_restore(const struct terminal_mode *m);

/*
 * A signalfd for changes of the size (or -1), and the function to call when it
 * is readable.
 */
int terminal_watch_size(void);
void terminal_update_size(int resized, int console);

#endif
