/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/vp/vp_table.h"

#include "cellsd/vp/journal.h"
#include "lib/err.h"

#include <stdlib.h>
#include <string.h>

struct vp *vp_table_find_vp(const struct vp_table *r, const char *name)
{
	for (unsigned int i = 0; i < r->n; i++)
		if (strcmp(r->vp[i]->name, name) == 0)
			return r->vp[i];
	return NULL;
}

int vp_table_require_vp(const struct vp_table *r, const char *name,
			struct vp **ret, struct err *e)
{
	struct vp *v = vp_table_find_vp(r, name);

	if (!v || v->state == VP_STATE_ABSENT)
		return err_reason(e, REASON_NO_SUCH_VP,
				  "there is no VP '%.64s'", name);
	*ret = v;
	return 0;
}

struct vp *vp_table_get_foreground(const struct vp_table *r)
{
	return *r->foreground ? vp_table_find_vp(r, r->foreground) : NULL;
}

struct vp_table_command *vp_table_find_command(struct vp_table *r,
					       const char *id)
{
	for (unsigned int i = 0; i < r->n_commands; i++)
		if (strcmp(r->command[i]->id, id) == 0)
			return r->command[i];
	return NULL;
}

void vp_table_free(struct vp_table *r)
{
	if (!r)
		return;
	for (unsigned int i = 0; i < r->n; i++)
		vp_free(r->vp[i]);
	for (unsigned int i = 0; i < r->n_commands; i++)
		free(r->command[i]);
	journal_close(r->journal);
	free(r);
}

void vp_table_desired_fini(struct vp_table_desired *w)
{
	for (unsigned int i = 0; i < w->n; i++)
		vp_free(w->vp[i]);
	w->n = 0;
}
