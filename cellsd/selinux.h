/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELinux: each VP has a pair of categories of its own, as sVirt does, so that
 * the kernel keeps VPs apart a second time. Without SELinux all is a no-op.
 */
#ifndef CELLSD_SELINUX_H
#define CELLSD_SELINUX_H

#include <stdbool.h>
#include <stdint.h>

#define LABEL_SIZE 96

/* The context of VP number n's processes; "" where SELinux is off. */
void label_process(uint32_t vp, char ret[LABEL_SIZE]);
/* The context of its files, for overlay's option `context`. */
void label_file(uint32_t vp, char ret[LABEL_SIZE]);
/* The context of what lies below the overlays, where no VP can open it. */
void label_store(char ret[LABEL_SIZE]);

bool label_is_on(void);
/* And not permissive. */
bool label_is_enforced(void);

/* In the child: the next execve(2) takes it. Returns 0 or -errno. */
int label_exec(const char *context);

#endif
