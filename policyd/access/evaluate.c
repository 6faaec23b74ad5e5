/* SPDX-License-Identifier: Apache-2.0 */
#include "policyd/access/evaluate.h"

#include "lib/auto.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "policyd/document/secure_time.h"

void evaluate_get_time(const struct secure_time *time, struct access_time *ret)
{
	int64_t wall = clock_wall();
	int64_t secure = secure_time_get_confirmed(time, clock_boot_ns());

	access_time_local(wall, wall + SECURE_TIME_SLACK >= secure, ret);
}

void evaluate_right(const struct document_set *docs, enum doc_level level,
		    const char *vp, enum cells_class cls,
		    const struct access_time *at, struct access_right *ret)
{
	access_right_of(docs->policy, docs->n_policies, vp, cls, at, level,
			ret);
	/* A policy may be among what has gone. */
	if (docs->is_partial && cls != CELLS_CLASS_DISPLAY &&
	    cls != CELLS_CLASS_INPUT)
		ret->right.use = CELLS_USE_NONE;
}

int evaluate_table(const struct document_set *docs, enum doc_level level,
		   const struct access_time *at, struct evaluate_row **ret,
		   size_t *ret_n, struct err *e)
{
	auto_free struct evaluate_row *rows =
		calloc((size_t)DOC_VPS_MAX * CELLS_CLASS_COUNT, sizeof(*rows));
	size_t n = 0, vps = 0;

	if (!rows)
		return err_oom(e, "evaluate policies");
	for (unsigned int i = 0; i < docs->n && vps < DOC_VPS_MAX; i++) {
		const struct doc *d = docs->doc[i]->doc;

		if (d->head.type != DOC_VP_CONFIG)
			continue;
		vps++;
		for (unsigned int c = 0; c < CELLS_CLASS_COUNT; c++) {
			struct access_right right;

			evaluate_right(docs, level, d->head.id, c, at, &right);
			/* "keep" has to be sent also where nothing is left */
			if (right.right.use == CELLS_USE_NONE &&
			    !right.right.block &&
			    right.on_revoke != DOC_REVOKE_KEEP)
				continue;
			rows[n++] = (struct evaluate_row){
				.vp = d->head.id,
				.cls = c,
				.right = right.right,
				.kill = right.on_revoke != DOC_REVOKE_KEEP,
			};
		}
	}
	*ret = steal(rows);
	*ret_n = n;
	return 0;
}
