/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that lies below a folder, however deep it is nested: one folder is open
 * at a time. Nobody else may work in there. Both return 0 or -errno, and a
 * folder that is not there is an empty one.
 */
#ifndef CELLSD_STORAGE_FILE_TREE_H
#define CELLSD_STORAGE_FILE_TREE_H

#include <stdint.h>

/* What it takes on disk, the folder itself excepted. */
int file_tree_measure(int dir, const char *name, uint64_t *ret_bytes);

/* Removes it, the folder too. It can be done again after a failure. */
int file_tree_remove(int dir, const char *name);

#endif
