/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/device/devns_display.h"

#include "cellsd/device/devns_link.h"
#include "lib/err.h"

static void find_display_holder(void *arg, const struct devns_link_source *s)
{
	struct devns_link_source *held = arg;

	if (s->holder_pid && !held->holder_pid)
		*held = *s;
}

int devns_display_check(struct devns_link *l, struct err *e)
{
	struct devns_link_source held = { 0 };
	int r = devns_link_each_source(l, find_display_holder, &held, e);

	if (r < 0 || !held.holder_pid)
		return r;
	return err_reason(e, REASON_DISPLAY_HELD,
			  "%s (pid %u) of the host has the display /dev/%s",
			  *held.holder ? held.holder : "a program",
			  held.holder_pid, held.node);
}
