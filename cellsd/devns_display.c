/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/devns_display.h"

#include "cellsd/devns_link.h"
#include "lib/err.h"

static void find_held(void *arg, const struct devnslink_source *s)
{
	struct devnslink_source *held = arg;

	if (s->holder_pid && !held->holder_pid)
		*held = *s;
}

int devnsshow_check(struct devnslink *l, struct err *e)
{
	struct devnslink_source held = { 0 };
	int r = devnslink_each_source(l, find_held, &held, e);

	if (r < 0 || !held.holder_pid)
		return r;
	return err_reason(e, REASON_DISPLAY_HELD,
			  "%s (pid %u) of the host has the display /dev/%s",
			  *held.holder ? held.holder : "a program",
			  held.holder_pid, held.node);
}
