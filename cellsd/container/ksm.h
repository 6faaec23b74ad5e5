/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal memory of VPs on one base is merged by the kernel (KSM): a burst of it
 * when a VP has started, until little more is found. Only where the kernel can
 * be given which programs take part (PR_SET_MEMORY_MERGE, 6.7 and later), and
 * where nobody else runs it.
 */
#ifndef CELLSD_CONTAINER_KSM_H
#define CELLSD_CONTAINER_KSM_H

#include <systemd/sd-event.h>

struct err;
struct ksm;

/* *ret is NULL when the kernel lacks it. */
int ksm_new(const char *run_dir, sd_event *loop, struct ksm **ret,
	    struct err *e);
void ksm_free(struct ksm *m);

/* In a VP's first process: it and all that come of it take part. */
void ksm_enable_process(void);

/* A VP has started. */
void ksm_start_scan(struct ksm *m);

#endif
