/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joining an organisation. Root gives the URI, the agent talks
 * to the server; here are the token, the receipt key and the pinned root.
 * Nothing is changed before all of it has been checked, and then in one
 * transaction.
 */
#ifndef POLICYD_ENROLL_H
#define POLICYD_ENROLL_H

#include <stdbool.h>
#include <stddef.h>

struct enroll;
struct err;
struct policyd;
struct reply;

int enroll_new(struct policyd *p, struct enroll **ret, struct err *e);
void enroll_free(struct enroll *n);

/* Takes *reply, which is sent when it is over. */
int enroll_begin_with_uri(struct policyd *p, struct reply **reply,
			  const char *uri, struct err *e);
/* The caller frees *ret, the JSON of org.cells.Policy1.EnrollStart. An agent
 * (its unique name on the bus) that goes away before it has finished is asked
 * again. */
int enroll_create_request(struct policyd *p, const char *agent,
			  const void *spki, size_t len, char **ret,
			  struct err *e);
/* What the server answered, or (an empty answer) why it could not be asked.
 * Sends the reply of what began it, also when it fails. err.busy: none did. */
int enroll_handle_answer(struct policyd *p, const char *answer,
			 const char *failure, struct err *e);

/* Has one started that is not over? */
bool enroll_is_in_progress(const struct policyd *p);

/* Gives up one that takes too long; called every few seconds. */
void enroll_end_overdue(struct policyd *p);

static inline void enroll_freep(struct enroll **n)
{
	enroll_free(*n);
}

#endif
