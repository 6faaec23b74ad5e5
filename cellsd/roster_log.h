/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the roster's log: what each does to the roster when it is read
 * back, and the records that make a whole roster.
 */
#ifndef CELLSD_ROSTER_LOG_H
#define CELLSD_ROSTER_LOG_H

#include "cellsd/roster.h"

struct err;

/* A number as a word of a record. */
struct rosterlog_word {
	char s[24];
};
struct rosterlog_word rosterlog_number(uint64_t n);
#define ROSTERLOG_NUMBER(n) (rosterlog_number((uint64_t)(n)).s)

/* A journal_fn; arg is the roster. */
int rosterlog_take(void *arg, const char *const *word, unsigned int n,
		   struct err *e);

/* Adds to the batch: the desired state; everything. */
void rosterlog_write_wanted(struct journal *j, uint64_t generation,
			    struct vp *const *vp, unsigned int n);
void rosterlog_write_all(const struct roster *r);

/* What records do, for those that write them too. NULL: no memory, or full. */
struct roster_job *rosterlog_add_job(struct roster *r, const char *id,
				     const char *vp, bool remove,
				     struct err *e);
void rosterlog_drop_job(struct roster *r, const char *id);
void rosterlog_drop_vp(struct roster *r, struct vp *v);
void rosterlog_set_state(struct roster *r, struct vp *v, enum vpstate s);

#endif
