/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the progress of long operations in a line on a terminal; prints nothing
 * if the output is piped.
 */
#ifndef IMAGES_PROGRESS_H
#define IMAGES_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress_meter {
	const char *what;
	uint64_t done, total;  /* bytes; total 0: not known */
	uint64_t began, shown; /* nanoseconds */
	bool on;
};

void progress_init(struct progress_meter *m, const char *what, uint64_t total);
void progress_add(struct progress_meter *m, uint64_t bytes);
/* Removes the line. It is also a cleanup function. */
void progress_end(struct progress_meter *m);

#endif
