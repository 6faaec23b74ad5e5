/* SPDX-License-Identifier: Apache-2.0 */
/* A line on a terminal that says how far long work is; nothing when piped. */
#ifndef IMAGES_PROGRESS_H
#define IMAGES_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct meter {
	const char *what;
	uint64_t done, total;  /* bytes; total 0: not known */
	uint64_t began, shown; /* nanoseconds */
	bool on;
};

void meter_init(struct meter *m, const char *what, uint64_t total);
void meter_add(struct meter *m, uint64_t bytes);
/* Takes the line away. A cleanup function as well. */
void meter_end(struct meter *m);

#endif
