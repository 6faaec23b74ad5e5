/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/document/config_window.h"

#include "lib/clock.h"

#include <stdio.h>

#define NS_PER_S UINT64_C(1000000000)

void config_window_open(struct config_window *w, const char *id,
			uint64_t seconds)
{
	snprintf(w->id, sizeof(w->id), "%s", id);
	w->until_ns = clock_boot_ns() + seconds * NS_PER_S;
}

const char *config_window_get(const struct config_window *w)
{
	return clock_boot_ns() < w->until_ns ? w->id : "";
}
