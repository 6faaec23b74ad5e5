/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The effect of a new root on the documents of the server: documents that do
 * not reach its thresholds become proposals, and groups that need them get no
 * new snapshot. The effect is shown before the root is submitted.
 */
#ifndef CELLSADM_TRUST_ROOT_IMPACT_H
#define CELLSADM_TRUST_ROOT_IMPACT_H

#include "lib/document/doc.h"

struct adm;
struct err;

/*
 * A line on stderr for each document in force that loses its threshold under
 * `next`; *ret says how many. -ENOENT: no server is configured.
 */
int root_impact_report(struct adm *a, const struct doc_root *next,
		       unsigned int *ret, struct err *e);

/* The same where it is only a service: an error is a note. */
void root_impact_try_report(struct adm *a, const struct doc_root *next);

#endif
