/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children in the pid namespace of a VP (pid_namespaces(7)): between the two
 * calls, each child of ours is born there.
 */
#ifndef CELLSD_CONTAINER_PIDNS_H
#define CELLSD_CONTAINER_PIDNS_H

struct err;

/* `pidfd`: a process there. *ret is what pidns_leave() takes. err.vp-state: the
 * process has ended. */
int pidns_enter(int pidfd, int *ret, struct err *e);

/* Or the daemon ends: its later children would be the VP's. */
void pidns_leave(int own);

#endif
