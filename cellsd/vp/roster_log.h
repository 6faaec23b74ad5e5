/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the roster's log: what each does to the roster when it is read
 * back, and the records that make a whole roster.
 */
#ifndef CELLSD_VP_ROSTER_LOG_H
#define CELLSD_VP_ROSTER_LOG_H

#include "cellsd/vp/roster.h"

struct err;

/* A number as a word of a record. */
struct roster_log_word {
	char s[24];
};
struct roster_log_word roster_log_format_number(uint64_t n);
#define ROSTER_LOG_NUMBER(n) (roster_log_format_number((uint64_t)(n)).s)

/* A journal_record_fn; arg is the roster. */
int roster_log_apply_record(void *arg, const char *const *word, unsigned int n,
			    struct err *e);

/* Adds to the batch: the desired state; everything. */
void roster_log_write_desired(struct journal *j, uint64_t generation,
			      struct vp *const *vp, unsigned int n);
void roster_log_write_all(const struct roster *r);

/* What records do, for those that write them too. NULL: no memory, or full. */
struct roster_command *roster_log_add_command(struct roster *r, const char *id,
					      const char *vp, bool remove,
					      struct err *e);
void roster_log_remove_command(struct roster *r, const char *id);
void roster_log_remove_vp(struct roster *r, struct vp *v);
void roster_log_set_state(struct roster *r, struct vp *v, enum vp_state s);

#endif
