/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would make the loop wait, a name server or a library that talks by
 * itself, is done by a child, and what it brings back comes as bytes. The child
 * has the agent's rights and a copy of its memory, and nothing that the agent
 * has open; what it left in a library's memory goes with it.
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
	/* In the child: may block, and nothing that it changes is seen. */
	int (*run)(const void *what, char **ret, size_t *ret_len,
		   struct err *e);
	/* In the loop, once: the answer (borrowed, with a NUL behind it), or
	 * NULL and why. May free the worker, which does nothing any more. */
	void (*done)(void *user, const char *answer, size_t len,
		     const struct err *e);
};

/* Sets off; `what` is read in the child alone. */
int worker_new(sd_event *event, const struct worker_kind *kind,
	       const void *what, void *user, struct worker **ret,
	       struct err *e);
/* One that is under way ends at once, without a callback. */
void worker_free(struct worker *x);

static inline void worker_freep(struct worker **x)
{
	worker_free(*x);
}

#endif
