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
#include <systemd/sd-bus.h>

struct enrol;
struct err;
struct policyd;

int enrol_new(struct policyd *p, struct enrol **ret, struct err *e);
void enrol_free(struct enrol *n);

/* `call` is answered when it is over. */
int enrol_begin(struct policyd *p, sd_bus_message *call, const char *uri,
		struct err *e);
/* The caller frees *ret, the JSON of org.cells.Policy1.EnrollStart. An agent
 * that goes away before it has finished is asked again. */
int enrol_start(struct policyd *p, sd_bus_message *call, const void *spki,
		size_t len, char **ret, struct err *e);
/* What the server answered, or (an empty answer) why it could not be asked.
 * Answers the call that began it, also when it fails. err.busy: none did. */
int enrol_finish(struct policyd *p, const char *answer, const char *failure,
		 struct err *e);

/* Has one begun that is not over? */
bool enrol_is_under_way(const struct policyd *p);

/* Gives up one that takes too long; called every few seconds. */
void enrol_tick(struct policyd *p);

static inline void enrol_freep(struct enrol **n)
{
	enrol_free(*n);
}

#endif
