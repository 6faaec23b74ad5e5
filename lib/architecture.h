/* SPDX-License-Identifier: Apache-2.0 */
/* Processor architectures, by Debian's names: amd64, arm64 ... */
#ifndef LIB_ARCHITECTURE_H
#define LIB_ARCHITECTURE_H

#include <stdbool.h>

bool architecture_is_known(const char *name);
/* Of what this program was built for: what a VP of this device can run, as its
 * filter of system calls knows no other. */
const char *architecture_own(void);
/* Of uname(2)'s machine; NULL: not known. */
const char *architecture_of_machine(const char *machine);

#endif
