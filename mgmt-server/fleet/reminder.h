/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ends soon is said before it does: documents that are in use, the root,
 * tokens of programs, the CA and the server's certificate. Each is sent 30, 14,
 * 3 and 1 days before its end, and at it, in the log and as an event; steps
 * that are as long as its whole life are left out. /metrics counts them.
 */
#ifndef MGMT_SERVER_FLEET_REMINDER_H
#define MGMT_SERVER_FLEET_REMINDER_H

struct err;
struct pki;
struct reminder;
struct root_in_force;
struct turn;

/* All that is given is borrowed. */
int reminder_new(struct turn *t, const struct pki *pki,
		 const struct root_in_force *root, const char *org,
		 struct reminder **ret, struct err *e);
void reminder_free(struct reminder *m);

/* Looks every ten minutes; what was sent is kept in memory only, so that each
 * start sends it again. */
int reminder_check_expiry(struct reminder *m, struct err *e);

#endif
