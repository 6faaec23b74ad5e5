/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VPs that are made ahead of their start (launch.h), while the daemon has
 * nothing else to do: those that ended last, up to a number. It is a matter of
 * time only: a VP that is not prepared starts all the same. A prepared VP holds
 * its data in use: whoever locks, wipes or changes what it is made of discards
 * it first.
 */
#ifndef CELLSD_PRESTART_H
#define CELLSD_PRESTART_H

#include <stdbool.h>

struct err;
struct host;
struct prepared;
struct vp;

#define PREPARED_STARTS 1
#define PREPARED_STARTS_MAX 64

/* Needs h->roster and what is made of VPs. 0: *ret is NULL. */
int prepared_new(struct host *h, unsigned int limit, struct prepared **ret,
		 struct err *e);
/* Discards all. */
void prepared_free(struct prepared *p);

/* Something changed: looks what there is to prepare, in a moment. */
void prepared_arm(struct prepared *p);

/* One that is not prepared is no error. */
void prepared_discard(struct host *h, struct vp *v);
/* The part of it that matters at once: its data is not in use any more. */
void prepared_end(struct vp *v);
/* Discards what would be made otherwise now: by another config, or not. */
void prepared_review(struct host *h);
/* Memory is short: discards all, and rests. False: there was none. */
bool prepared_yield(struct host *h);

#endif
