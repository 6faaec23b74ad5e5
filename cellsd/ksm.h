/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal memory of VPs on one base is merged by the kernel (KSM): a burst of it
 * when a VP has started, until little more is found. Only where the kernel can
 * be told which programs take part (PR_SET_MEMORY_MERGE, 6.7 and later), and
 * where nobody else runs it.
 */
#ifndef CELLSD_KSM_H
#define CELLSD_KSM_H

struct err;
struct host;
struct merge;

/* *ret is NULL when it is off or the kernel lacks it. */
int merge_new(struct host *h, struct merge **ret, struct err *e);
void merge_free(struct merge *m);

/* In a VP's first process: it and all that come of it take part. */
void merge_enter(void);

/* A VP has started. */
void merge_burst(struct merge *m);

#endif
