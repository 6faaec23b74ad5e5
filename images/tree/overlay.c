/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/overlay.h"

#include "images/interrupt.h"
#include "images/tree/path_map.h"
#include "images/tree/tree_path.h"
#include "images/tree/walk.h"
#include "images/tree/xattr.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* A file of several names, and how many of them the layer wrote. */
struct hardlink_count {
	ino_t ino;
	nlink_t names, written;
};

struct overlay {
	const char *top;
	int from, to;
	struct path_map *layer;
	void *linked; /* of struct hardlink_count, by inode */
	unsigned int incomplete;
	int64_t newest;
};

static void overlay_fini(struct overlay *o)
{
	tdestroy(o->linked, free);
	if (o->from >= 0)
		close(o->from);
	if (o->to >= 0)
		close(o->to);
}

static int compare_inodes(const void *a, const void *b)
{
	const struct hardlink_count *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static const char *get_relative_name(const struct path_state *s)
{
	return *s->path ? s->path : ".";
}

/* 1: it is there, 0: it is not. */
static int stat_tree_path(const struct overlay *o, const struct path_state *s,
			  struct stat *ret, struct err *e)
{
	if (fstatat(o->from, get_relative_name(s), ret, AT_SYMLINK_NOFOLLOW) ==
	    0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR
		       ? 0
		       : err_sys(e, errno, "'%s'", s->path);
}

static int count_hard_links(void *ctx, struct path_state *s, struct err *e)
{
	struct overlay *o = ctx;
	struct hardlink_count *l, **there;
	struct stat st;
	int r = stat_tree_path(o, s, &st, e);

	if (r <= 0 || S_ISDIR(st.st_mode) || st.st_nlink < 2)
		return r < 0 ? r : 0;
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_oom(e, s->path);
	l->ino = st.st_ino;
	there = tsearch(l, &o->linked, compare_inodes);
	if (!there || *there != l)
		free(l);
	if (!there)
		return err_oom(e, s->path);
	l = *there;
	if (l->written++ == 0) {
		l->names = st.st_nlink;
		o->incomplete++;
	}
	o->incomplete -= l->written == l->names;
	return 0;
}

static int include_layer_path(struct path_map *layer, const char *path,
			      struct err *e)
{
	char copy[PATH_MAX];
	struct path_state *s;
	int r;

	snprintf(copy, sizeof(copy), "%s", path);
	for (;;) {
		char *slash = strrchr(copy, '/');

		r = path_map_add(layer, copy, &s, e);
		if (r < 0 || s->included)
			return r;
		s->included = true;
		if (!slash)
			return 0;
		*slash = '\0';
	}
}

/* Finds the names in lower layers of files that the layer linked. */
static int include_lower_links(struct overlay *o, struct err *e)
{
	AUTO(walk_close) FTS *walk = NULL;
	FTSENT *at;
	int r = walk_open(o->top, &walk, e);

	while (r >= 0 && (r = walk_next(walk, &at, e)) > 0) {
		const struct hardlink_count *const *found = NULL;
		struct hardlink_count key;

		key.ino = at->fts_statp->st_ino;
		if (!S_ISDIR(at->fts_statp->st_mode) &&
		    at->fts_statp->st_nlink > 1)
			found = tfind(&key, &o->linked, compare_inodes);
		if (found && (*found)->written < (*found)->names)
			r = include_layer_path(
				o->layer, at->fts_path + strlen(o->top) + 1, e);
	}
	return r;
}

static int create_whiteout(const struct overlay *o, const char *path,
			   struct err *e)
{
	static const struct timespec zero[2];

	/* Safe because it is device 0:0, which opens nothing. */
	if (mknodat(o->to, path, S_IFCHR, makedev(0, 0)) < 0 ||
	    utimensat(o->to, path, zero, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "make whiteout '%s'", path);
	return 0;
}

static struct path_state *get_parent_state(const struct overlay *o,
					   const char *path)
{
	char copy[PATH_MAX];
	char *slash;

	snprintf(copy, sizeof(copy), "%s", path);
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	return path_map_get(o->layer, slash ? copy : "");
}

static int write_upper_entry(void *ctx, struct path_state *s, struct err *e)
{
	struct overlay *o = ctx;
	const struct path_state *parent =
		*s->path ? get_parent_state(o, s->path) : NULL;
	struct stat st = { 0 }, above;
	int r = interrupt_check(e);

	if (r == 0)
		r = stat_tree_path(o, s, &st, e);
	if (r < 0)
		return r;
	s->hidden = s->opaque || s->removed || (parent && parent->hidden);
	if (r == 0) {
		/* What is hidden already, or in no folder, needs nothing. */
		if (!s->removed || !parent || parent->hidden ||
		    stat_tree_path(o, parent, &above, e) != 1 ||
		    !S_ISDIR(above.st_mode))
			return 0;
		return create_whiteout(o, s->path, e);
	}
	if (!s->included)
		return 0;
	if (st.st_mtim.tv_sec > o->newest)
		o->newest = st.st_mtim.tv_sec;
	if (S_ISDIR(st.st_mode))
		r = *s->path ? mkdirat(o->to, s->path, 0700) : 0;
	else
		r = linkat(o->from, s->path, o->to, s->path, 0);
	return r < 0 ? err_sys(e, errno, "make '%s'", s->path) : 0;
}

/* Backwards, as entries move their folder's time, and an ACL of a folder is
 * handed down to what is made in it. */
static int finish_upper_folder(void *ctx, struct path_state *s, struct err *e)
{
	struct overlay *o = ctx;
	auto_close int from = -1, to = -1;
	struct timespec times[2];
	struct stat st;
	int r = stat_tree_path(o, s, &st, e);

	if (r <= 0 || !S_ISDIR(st.st_mode) || !s->included)
		return r < 0 ? r : 0;
	from = openat(o->from, get_relative_name(s),
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(o->to, get_relative_name(s),
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0)
		return err_sys(e, errno, "open '%s'", s->path);
	r = xattr_copy(from, to, s->path, e);
	if (r < 0)
		return r;
	times[0] = times[1] = st.st_mtim;
	if (((s->opaque || s->removed) &&
	     fsetxattr(to, OVERLAY_OPAQUE, "y", 1, 0) < 0) ||
	    fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0 || futimens(to, times) < 0)
		return err_sys(e, errno, "set up folder '%s'", s->path);
	return 0;
}

int overlay_write_layer(const char *from, struct path_map *layer,
			const char *to, int64_t *ret_newest, struct err *e)
{
	AUTO(overlay_fini)
	struct overlay o = {
		.top = from, .layer = layer, .from = -1, .to = -1
	};
	int r;

	if (mkdir(to, 0700) < 0)
		return err_sys(e, errno, "make folder %s", to);
	o.from = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	o.to = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (o.from < 0 || o.to < 0)
		return err_sys(e, errno, "open %s", from);
	r = path_map_walk(layer, count_hard_links, &o, e);
	if (r == 0 && o.incomplete)
		r = include_lower_links(&o, e);
	if (r == 0)
		r = path_map_walk(layer, write_upper_entry, &o, e);
	if (r == 0)
		r = path_map_walk_reverse(layer, finish_upper_folder, &o, e);
	if (r < 0)
		return r;
	*ret_newest = o.newest;
	return 0;
}
