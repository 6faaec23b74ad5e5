/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs blocking work, such as a name lookup or a library that does its own I/O,
 * in a child process, which returns the result as bytes. The child has the
 * agent's rights and a copy of its memory, but none of its open files. Memory
 * that a library leaks is freed when the child exits.
 */
#ifndef AGENT_WORKER_H
#define AGENT_WORKER_H

#include <stddef.h>
#include <systemd/sd-event.h>

#define WORKER_ANSWER_MAX (9 * 1024 * 1024)

struct err;
struct worker;

struct worker_kind {
	unsigned int seconds; /* then it is ended: -ETIMEDOUT */
	/*
	 * Runs in the child. It can block; its changes to memory are not
	 * visible to the parent.
	 */
	int (*run)(const void *what, char **ret, size_t *ret_len,
		   struct err *e);
	/*
	 * Called once in the loop, with the answer (borrowed, NUL-terminated),
	 * or with NULL and the error. It can free the worker, which does
	 * nothing more.
	 */
	void (*done)(void *user, const char *answer, size_t len,
		     const struct err *e);
};

/* Starts the child; only the child reads `what`. */
int worker_new(sd_event *event, const struct worker_kind *kind,
	       const void *what, void *user, struct worker **ret,
	       struct err *e);
/* Kills a running child without a callback. */
void worker_free(struct worker *x);

static inline void worker_freep(struct worker **x)
{
	worker_free(*x);
}

#endif
