/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warns the administrator before a group document expires (after 30 days at
 * most).
 */
#ifndef CELLSADM_VERBS_GROUP_EXPIRY_H
#define CELLSADM_VERBS_GROUP_EXPIRY_H

struct adm;

/*
 * Prints a line on stderr for each group that expires within 14 days, if an
 * earlier request was made to the server. Never makes a successful verb fail.
 */
void group_expiry_report(struct adm *a);

#endif
