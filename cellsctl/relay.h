/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard files of a program in a VP. The program never receives the
 * user's own files, because it could keep them, reopen them, truncate them or
 * read them. It receives pipes, or its own terminal if the user has a terminal,
 * and the data is copied.
 */
#ifndef CELLSCTL_RELAY_H
#define CELLSCTL_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define RELAY_CHUNK                                                            \
	4096 /* what a pipe that can be written takes at once                  \
	      */

/* One direction. Both ends are closed as soon as one of them is closed. */
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

/* On failure, no file is open. */
int relay_open(struct relay *ret, struct err *e);
void relay_fini(struct relay *r);

/* Forgets `theirs`, which now belongs to another owner. */
void relay_close_program_fds(struct relay *r);

/*
 * Copies data until `fn`, which is called whenever `fd` is readable, reports
 * that the program has ended; then copies the rest of its output.
 */
struct relay_end_condition {
	int fd;
	bool (*fn)(void *arg);
	void *arg;
};
int relay_run(struct relay *r, const struct relay_end_condition *end,
	      struct err *e);

#endif
