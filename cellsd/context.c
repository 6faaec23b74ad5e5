/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/context.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <stdlib.h>

int context_find_vp(struct context *h, const char *name, struct vp **ret,
		    struct err *e)
{
	struct vp *v = roster_find_vp(h->roster, name);

	if (!v || v->state == VP_STATE_ABSENT)
		return err_reason(e, REASON_NO_SUCH_VP,
				  "there is no VP '%.64s'", name);
	*ret = v;
	return 0;
}

int context_add_waiter(struct vp *v, context_done_fn *fn, void *arg,
		       struct err *e)
{
	struct context_waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return err_oom(e, "wait for a VP");
	w->fn = fn;
	w->arg = arg;
	w->next = v->waiters;
	v->waiters = w;
	return 0;
}

void context_notify_waiters(struct vp *v, const struct err *e)
{
	struct context_waiter *w = steal(v->waiters);

	while (w) {
		struct context_waiter *next = w->next;

		w->fn(w->arg, e);
		free(w);
		w = next;
	}
}
