/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletion of a VP's data: unlinked, not overwritten. A child process does it,
 * so that the daemon goes on answering; each step is in the log first, and can
 * be done again after a power cut.
 */
#ifndef CELLSD_ERASE_H
#define CELLSD_ERASE_H

#include "cellsd/vp.h"

#define ERASE_METHOD "unlinked"
#define ERASE_NAME_SIZE (VP_NAME_SIZE + 16)

struct host;

/* "work.17": of the data folder of one VP with one range of ids. */
void erase_folder_name(const struct vp *v, char ret[ERASE_NAME_SIZE]);

/* The VP has no process; its waiters are told when it is absent or why not. */
void erase_begin(struct host *h, struct vp *v);

#endif
