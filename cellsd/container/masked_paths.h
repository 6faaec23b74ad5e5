/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VP's /proc and /sys do not show: facts about the kernel as a whole,
 * and about other VPs. A masked file cannot be opened, a masked folder is
 * empty. Each VP has a file and a folder of its own for that: on one that it
 * shared it could watch others look.
 */
#ifndef CELLSD_CONTAINER_MASKED_PATHS_H
#define CELLSD_CONTAINER_MASKED_PATHS_H

struct err;

#define MASKED_PATHS_STAGE "masks" /* folder of the stage, for a mount */

/* Masks what is below `root`, and gives it a boot id of its own. `label`:
 * SELinux context of what is mounted, or "". */
int masked_paths_mount(int stage, int root, const char *label, struct err *e);

#endif
