/* SPDX-License-Identifier: Apache-2.0 */
/* Group documents live for 30 days at most; who administers hears of it. */
#ifndef CELLSADM_VERBS_GROUP_EXPIRY_H
#define CELLSADM_VERBS_GROUP_EXPIRY_H

struct adm;

/* A line on stderr for each group that lapses within 14 days, if the server was
 * asked something before; it must not fail a verb that is done. */
void group_expiry_report(struct adm *a);

#endif
