/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows when a VP that is to be locked or wiped has ended: its key
 * leaves the kernel, as soon as nothing holds its files any more; then slots
 * are destroyed; then, for a wipe, the data is deleted (erase.h). A wipe's
 * steps are in the log before they are done, and each can be done again.
 */
#ifndef CELLSD_LIFECYCLE_KEY_EVICTION_H
#define CELLSD_LIFECYCLE_KEY_EVICTION_H

struct host;
struct vp;

/* The VP has no process; its waiters are called when it is done, or with the
 * reason why not. */
void key_eviction_start(struct host *h, struct vp *v);

#endif
