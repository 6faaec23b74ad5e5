/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/suppressed_intervals.h"

#include <string.h>

void suppressed_intervals_add(struct suppressed_intervals *w, uint64_t begin,
			      uint64_t end)
{
	if (w->n == SUPPRESSED_INTERVALS_MAX) {
		memmove(w->row, w->row + 1, sizeof(w->row) - sizeof(w->row[0]));
		w->n--;
	}
	w->row[w->n].begin = begin;
	w->row[w->n++].end = end;
}

bool suppressed_intervals_contains(const struct suppressed_intervals *w,
				   uint64_t boot_ns)
{
	for (unsigned int i = 0; i < w->n; i++)
		if (boot_ns >= w->row[i].begin && boot_ns <= w->row[i].end)
			return true;
	return false;
}
