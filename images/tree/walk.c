/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/walk.h"

#include "lib/err.h"

#include <errno.h>
#include <stddef.h>

int walk_open(const char *folder, FTS **ret, struct err *e)
{
	char *const roots[] = { (char *)folder, NULL };

	*ret = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	return *ret ? 0 : err_sys(e, errno, "read folder %s", folder);
}

int walk_next(FTS *walk, FTSENT **ret, struct err *e)
{
	FTSENT *at;

	errno = 0;
	at = *ret = fts_read(walk);
	if (!at)
		return errno ? err_sys(e, errno, "read a folder") : 0;
	if (at->fts_info == FTS_DNR || at->fts_info == FTS_ERR ||
	    at->fts_info == FTS_NS)
		return err_sys(e, at->fts_errno, "read %s", at->fts_path);
	return 1;
}

void walk_close(FTS **walk)
{
	if (*walk)
		fts_close(*walk);
}
