/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When our own changes to the kernel were made, by the boot clock: what it
 * says of that time is reported already. Of too many the oldest is forgotten:
 * then it is reported twice rather than not at all.
 */
#ifndef CELLSD_DEVICE_SUPPRESSED_INTERVALS_H
#define CELLSD_DEVICE_SUPPRESSED_INTERVALS_H

#include <stdbool.h>
#include <stdint.h>

#define SUPPRESSED_INTERVALS_MAX 64

struct suppressed_intervals {
	struct {
		uint64_t begin, end;
	} row[SUPPRESSED_INTERVALS_MAX];
	unsigned int n;
};

void suppressed_intervals_add(struct suppressed_intervals *w, uint64_t begin,
			      uint64_t end);
bool suppressed_intervals_contains(const struct suppressed_intervals *w,
				   uint64_t boot_ns);

#endif
