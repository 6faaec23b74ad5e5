/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program in a VP may ask of the kernel: a bounding set of capabilities
 * that is an allow-list, and a system call filter that is built once.
 */
#ifndef CELLSD_JAIL_H
#define CELLSD_JAIL_H

struct err;
struct jail;

int jail_new(struct jail **ret, struct err *e);
void jail_free(struct jail *j);

/*
 * In the child, as root of its user namespace, before execve(2): only system
 * calls. Returns 0 or -errno.
 */
int jail_enter(const struct jail *j);

static inline void jail_freep(struct jail **j)
{
	jail_free(*j);
}

#endif
