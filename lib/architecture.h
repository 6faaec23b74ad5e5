/* SPDX-License-Identifier: Apache-2.0 */
/* Processor architectures, with Debian's names: amd64, arm64 ... */
#ifndef LIB_ARCHITECTURE_H
#define LIB_ARCHITECTURE_H

#include <stdbool.h>

bool architecture_is_known(const char *name);
/*
 * The architecture of this build. VPs of the device can run only this one,
 * because their system call filter knows no other.
 */
const char *architecture_own(void);
/* The architecture of a machine name of uname(2); NULL: unknown. */
const char *architecture_of_machine(const char *machine);

#endif
