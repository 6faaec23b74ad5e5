/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion of a VP's data, whose key is destroyed by then (key_eviction.h):
 * nobody can read it any more. A child process does it, so that the daemon goes
 * on answering; it can be done again after a power cut.
 */
#ifndef CELLSD_LIFECYCLE_ERASE_H
#define CELLSD_LIFECYCLE_ERASE_H

#include "cellsd/vp/vp.h"

#define ERASE_METHOD "keys destroyed, data deleted"

struct host;

/* The VP has no process; its waiters are called when it is absent, or with the
 * reason why not. */
void erase_begin(struct host *h, struct vp *v);

#endif
