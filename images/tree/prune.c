/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/prune.h"

#include "images/tree/path_map.h"
#include "images/tree/walk.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <string.h>

static int remove_lower_entry(const FTSENT *at, const char *top,
			      const struct path_map *layer, bool itself,
			      struct err *e)
{
	const struct path_state *s =
		path_map_get(layer, at->fts_path + strlen(top) + 1);

	if (at->fts_info == FTS_D || (s && s->written) ||
	    (!itself && at->fts_level == FTS_ROOTLEVEL))
		return 0;
	/* A folder that keeps something of the layer's is written itself. */
	if (remove(at->fts_accpath) < 0)
		return err_sys(e, errno, "remove %s", at->fts_path);
	return 0;
}

/* Safe because links are not followed, and nobody else writes below `top`. */
int prune_lower_entries(const char *top, const struct path_map *layer,
			const char *path, bool itself, struct err *e)
{
	auto_free char *whole = io_join(top, path);
	AUTO(walk_close) FTS *walk = NULL;
	FTSENT *at;
	int r;

	if (!whole)
		return err_oom(e, path);
	r = walk_open(whole, &walk, e);
	while (r >= 0 && (r = walk_next(walk, &at, e)) > 0)
		r = remove_lower_entry(at, top, layer, itself, e);
	return r;
}
