/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When our own changes to the kernel were made, by the boot clock: what it
 * tells of that time is told already. Of too many the oldest is forgotten: then
 * it is told twice, never not at all.
 */
#ifndef CELLSD_OWN_CHANGES_H
#define CELLSD_OWN_CHANGES_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MAX 64

struct window {
	struct {
		uint64_t begin, end;
	} row[WINDOW_MAX];
	unsigned int n;
};

void window_add(struct window *w, uint64_t begin, uint64_t end);
bool window_has(const struct window *w, uint64_t boot_ns);

#endif
