/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How what is in force comes to cellsd: when it appears it is asked what it is
 * and what it holds; then it gets the layers that it lacks, and the whole
 * state. What did not work is tried again, and receipts are written when it has
 * answered.
 */
#ifndef POLICYD_RECONCILE_H
#define POLICYD_RECONCILE_H

struct reconcile;
struct err;
struct policyd;

/* Waits for cellsd to appear. Freed after the bus is closed. */
int reconcile_new(struct policyd *p, struct reconcile **ret, struct err *e);
void reconcile_free(struct reconcile *d);

/* Makes cellsd hold what is in force. `cause` goes into its events: policy,
 * window, start, wipe, remove. Cheap where nothing has changed. */
void reconcile_push_state(struct policyd *p, const char *cause);

/* Pushes again after trouble; called every few seconds. */
void reconcile_retry(struct policyd *p);

static inline void reconcile_freep(struct reconcile **d)
{
	reconcile_free(*d);
}

#endif
