/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When our own changes to the kernel were made, by the boot clock: what it
 * says of that time is reported already. Of too many the oldest is forgotten:
 * then it is reported twice rather than not at all.
 */
#ifndef CELLSD_DEVICE_OWN_CHANGES_H
#define CELLSD_DEVICE_OWN_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#define OWN_CHANGES_MAX 64

struct own_changes {
	struct {
		uint64_t begin, end;
	} row[OWN_CHANGES_MAX];
	unsigned int n;
};

void own_changes_add(struct own_changes *w, uint64_t begin, uint64_t end);
bool own_changes_contains(const struct own_changes *w, uint64_t boot_ns);

#endif
