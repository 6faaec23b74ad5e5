/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/roster.h"

#include "cellsd/vp/journal.h"
#include "lib/err.h"

#include <stdlib.h>
#include <string.h>

struct vp *roster_find_vp(const struct roster *r, const char *name)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (strcmp(r->vp[i]->name, name) == 0)
			return r->vp[i];
	return NULL;
}

int roster_require_vp(const struct roster *r, const char *name, struct vp **ret,
		      struct err *e)
{
	struct vp *v = roster_find_vp(r, name);

	if (!v || v->state == VP_STATE_ABSENT)
		return err_reason(e, REASON_NO_SUCH_VP,
				  "there is no VP '%.64s'", name);
	*ret = v;
	return 0;
}

struct vp *roster_get_foreground(const struct roster *r)
{
	return *r->foreground ? roster_find_vp(r, r->foreground) : NULL;
}

struct roster_command *roster_find_command(struct roster *r, const char *id)
{
	for (unsigned int i = 0; i < r->n_jobs; i++)
		if (strcmp(r->job[i]->id, id) == 0)
			return r->job[i];
	return NULL;
}

void roster_free(struct roster *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < r->n; i++)
		vp_free(r->vp[i]);
	for (unsigned int i = 0; i < r->n_jobs; i++)
		free(r->job[i]);
	journal_close(r->journal);
	free(r);
}

void roster_desired_fini(struct roster_desired *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		vp_free(w->vp[i]);
	w->n = 0;
}
