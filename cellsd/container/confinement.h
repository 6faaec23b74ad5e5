/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program in a VP may ask of the kernel: a bounding set of capabilities
 * that is an allow-list, and a system call filter that is built once.
 */
#ifndef CELLSD_CONTAINER_CONFINEMENT_H
#define CELLSD_CONTAINER_CONFINEMENT_H

#include <stdbool.h>

struct err;
struct confinement;

int confinement_new(struct confinement **ret, struct err *e);
void confinement_free(struct confinement *j);

/*
 * In the child, as root of its user namespace, before execve(2): only system
 * calls. no_new_privs: no program that it runs gains rights by its file, for
 * good (prctl(2), PR_SET_NO_NEW_PRIVS). Returns 0 or -errno.
 */
int confinement_enter(const struct confinement *j, bool no_new_privs);

static inline void confinement_freep(struct confinement **j)
{
	confinement_free(*j);
}

#endif
