/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the VP table's log: what each does to the VP table when it is
 * read back, and the records that make a whole table.
 */
#ifndef CELLSD_VP_VP_TABLE_LOG_H
#define CELLSD_VP_VP_TABLE_LOG_H

#include "cellsd/vp/vp_table.h"

struct err;

/* A number as a word of a record. */
struct vp_table_log_word {
	char s[24];
};
struct vp_table_log_word vp_table_log_format_number(uint64_t n);
#define VP_TABLE_LOG_NUMBER(n) (vp_table_log_format_number((uint64_t)(n)).s)

/* A journal_record_fn; arg is the VP table. */
int vp_table_log_apply_record(void *arg, const char *const *word,
			      unsigned int n, struct err *e);

/* Adds to the batch: the desired state; everything. */
void vp_table_log_write_desired(struct journal *j, uint64_t generation,
				struct vp *const *vp, unsigned int n);
void vp_table_log_write_all(const struct vp_table *r);

/* What records do, for those that write them too. NULL: no memory, or full. */
struct vp_table_command *vp_table_log_add_command(struct vp_table *r,
						  const char *id,
						  const char *vp, bool remove,
						  struct err *e);
void vp_table_log_remove_command(struct vp_table *r, const char *id);
void vp_table_log_remove_vp(struct vp_table *r, struct vp *v);
void vp_table_log_set_state(struct vp_table *r, struct vp *v, enum vp_state s);

#endif
