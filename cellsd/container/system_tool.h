/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of the system (mkfs.ext4, e2fsck, modprobe) as children that are
 * waited for: without the daemon's environment, descriptors and signals.
 */
#ifndef CELLSD_CONTAINER_SYSTEM_TOOL_H
#define CELLSD_CONTAINER_SYSTEM_TOOL_H

#define SYSTEM_TOOL_FILE                                                       \
	"/proc/self/fd/3"	  /* by what name it finds its file            \
				   */
#define SYSTEM_TOOL_NOT_FOUND 127 /* exit code where it is not installed */

/*
 * Runs argv[0], which is looked for in /usr/sbin and /sbin, with the open file
 * `file` (-1: none) as SYSTEM_TOOL_FILE. Its exit code, 128 if a signal ended
 * it, or -errno.
 */
int system_tool_run(int file, char *const argv[]);

#endif
