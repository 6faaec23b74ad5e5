/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the user's terminal and a VP's console. */
#ifndef CELLSD_CTLTERM_H
#define CELLSD_CTLTERM_H

#include <stdbool.h>

struct err;

/* Until Ctrl-], end of input, or the end of the console. */
int ctlterm_join(int console, struct err *e);

/*
 * A terminal of its own for a program that is not trusted with the user's: what
 * it is given it may keep, read from and write to after it has ended.
 * *ret_slave is for the program.
 */
int ctlterm_open(int *ret_master, int *ret_slave, struct err *e);

/* Joins the user's terminal, as far as there is one, and the other, until `fn`,
 * called whenever `fd` can be read, says that it is over. */
struct ctlterm_end {
	int fd;
	bool (*fn)(void *arg);
	void *arg;
};
int ctlterm_relay(int master, const struct ctlterm_end *end, struct err *e);

#endif
