/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/scan.h"

#include "images/interrupt.h"
#include "images/tree/tree.h"
#include "images/tree/tree_path.h"
#include "images/tree/unpack.h"
#include "images/tree/walk.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define XATTRS_MAX (64 * 1024)

struct scan_context {
	const char *path;
	struct unpack used; /* a copy: given back only if the folder is plain */
	struct scan_result found;
	char xattrs[XATTRS_MAX];
};

static bool is_supported_type(mode_t mode)
{
	return S_ISDIR(mode) || S_ISREG(mode) || S_ISLNK(mode) ||
	       S_ISFIFO(mode);
}

/* Errors are left to the copy, which says them better. */
static bool has_plain_xattrs(struct scan_context *s, const char *path)
{
	ssize_t n = llistxattr(path, s->xattrs, sizeof(s->xattrs));

	if (n < 0)
		return errno == ENOTSUP;
	for (const char *p = s->xattrs; p < s->xattrs + n; p += strlen(p) + 1)
		if (tree_is_omitted_xattr(p))
			return false;
	return true;
}

static int scan_entry(struct scan_context *s, const FTSENT *at, struct err *e)
{
	const struct stat *st = at->fts_statp;
	uint64_t bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	int r = interrupt_check(e);

	if (r < 0)
		return r;
	if (!is_supported_type(st->st_mode) || st->st_mtim.tv_sec < 0 ||
	    at->fts_namelen > TREE_PATH_NAME_MAX ||
	    !has_plain_xattrs(s, at->fts_accpath)) {
		s->found.plain = false;
		return 0;
	}
	if (st->st_mtim.tv_sec > s->found.newest)
		s->found.newest = st->st_mtim.tv_sec;
	return unpack_count_entry(&s->used, bytes, s->path, e);
}

int scan_folder(struct unpack *u, const char *path, struct scan_result *ret,
		struct err *e)
{
	auto_free struct scan_context *s = calloc(1, sizeof(*s));
	AUTO(walk_close) FTS *walk = NULL;
	FTSENT *at;
	int r;

	if (!s)
		return err_oom(e, path);
	s->path = path;
	s->used = *u;
	s->found.plain = true;
	r = walk_open(path, &walk, e);
	while (r >= 0 && s->found.plain && (r = walk_next(walk, &at, e)) > 0)
		if (at->fts_info != FTS_DP)
			r = scan_entry(s, at, e);
	if (r < 0)
		return r;
	if (s->found.plain)
		*u = s->used;
	*ret = s->found;
	return 0;
}
