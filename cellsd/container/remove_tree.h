/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that lies below a folder, however deep it is nested: one folder is open
 * at a time. Nobody else may work in there. Both return 0 or -errno, and a
 * folder that is not there is an empty one.
 */
#ifndef CELLSD_CONTAINER_REMOVE_TREE_H
#define CELLSD_CONTAINER_REMOVE_TREE_H

#include <stdint.h>

/* What it takes on disk, the folder itself excepted. */
int remove_tree_measure(int dir, const char *name, uint64_t *ret_bytes);

/* Removes it, the folder too. It can be done again after a failure. */
int remove_tree_delete(int dir, const char *name);

#endif
