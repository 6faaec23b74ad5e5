/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard files of a program in a VP. It is never given the user's own:
 * what it is given it may keep, open again, truncate, and look through. It gets
 * pipes, and where the user has a terminal, one of its own; what goes through
 * them is copied.
 */
#ifndef CELLSCTL_RELAY_H
#define CELLSCTL_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define RELAY_CHUNK                                                            \
	4096 /* what a pipe that can be written takes at once                  \
	      */

/* One way. Both ends are closed as soon as one of them is. */
struct relay_channel {
	int from, to;
	bool is_user; /* from the user: nobody waits for the rest of it */
	size_t len, done;
	char data[RELAY_CHUNK];
};

struct relay {
	int theirs[3];	   /* for the program */
	int master, slave; /* of its terminal */
	struct relay_channel lane[5];
	unsigned int n;
};

/* On failure nothing is open. */
int relay_open(struct relay *ret, struct err *e);
void relay_fini(struct relay *r);

/* Somebody else has `theirs` now. */
void relay_close_program_fds(struct relay *r);

/* Copies until `fn`, called whenever `fd` can be read, says that the program
 * has ended, and then what that has left. */
struct relay_end_condition {
	int fd;
	bool (*fn)(void *arg);
	void *arg;
};
int relay_run(struct relay *r, const struct relay_end_condition *end,
	      struct err *e);

#endif
