/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELinux: each VP has a pair of categories of its own, as sVirt does, so that
 * the kernel keeps VPs apart a second time. Without SELinux all is a no-op.
 */
#ifndef CELLSD_CONTAINER_SELINUX_H
#define CELLSD_CONTAINER_SELINUX_H

#include <stdbool.h>
#include <stdint.h>

#define SELINUX_CONTEXT_SIZE 96

/* The context of VP number n's processes; "" where SELinux is off. */
void selinux_format_process_context(uint32_t vp,
				    char ret[SELINUX_CONTEXT_SIZE]);
/* The context of its files, for overlay's option `context`. */
void selinux_format_file_context(uint32_t vp, char ret[SELINUX_CONTEXT_SIZE]);
/* The context of what lies below the overlays, where no VP can open it. */
void selinux_format_store_context(char ret[SELINUX_CONTEXT_SIZE]);

bool selinux_is_enabled(void);
/* And not permissive. */
bool selinux_is_enforcing(void);

/* In the child: the next execve(2) takes it. Returns 0 or -errno. */
int selinux_set_exec_context(const char *context);

#endif
