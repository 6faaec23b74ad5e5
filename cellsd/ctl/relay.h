/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard files of a program in a VP. It is never given the user's own:
 * what it is given it may keep, open anew, truncate, and look through. It gets
 * pipes, and where the user has a terminal, one of its own; what goes through
 * them is copied.
 */
#ifndef CELLSD_RELAY_H
#define CELLSD_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define CTLRELAY_CHUNK                                                         \
	4096 /* what a pipe that can be written takes at once                  \
	      */

/* One way. Both ends are closed as soon as one of them is. */
struct ctlrelay_lane {
	int from, to;
	bool is_user; /* from the user: nobody waits for the rest of it */
	size_t len, done;
	char data[CTLRELAY_CHUNK];
};

struct ctlrelay {
	int theirs[3];	   /* for the program */
	int master, slave; /* of its terminal */
	struct ctlrelay_lane lane[5];
	unsigned int n;
};

/* On failure nothing is open. */
int ctlrelay_open(struct ctlrelay *ret, struct err *e);
void ctlrelay_fini(struct ctlrelay *r);

/* Somebody else has `theirs` now. */
void ctlrelay_given(struct ctlrelay *r);

/* Copies until `fn`, called whenever `fd` can be read, says that the program
 * has ended, and then what that has left. */
struct ctlrelay_end {
	int fd;
	bool (*fn)(void *arg);
	void *arg;
};
int ctlrelay_run(struct ctlrelay *r, const struct ctlrelay_end *end,
		 struct err *e);

#endif
