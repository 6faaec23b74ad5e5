/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* Overlayfs takes these from the layers: mounted by the initial user namespace,
 * without the option userxattr. */
#define OPAQUE_XATTR "trusted.overlay.opaque"
#define IMPLIED_MODE 0755

static const char *const overlay_xattrs[] = {
	"trusted.overlay.",
	"user.overlay.",
};

struct folder {
	char *path;
	struct timespec mtime;
};

struct tree {
	int root;
	char *parent_path; /* of the folder that is open as `parent`; NULL: none
			    */
	int parent;
	struct tree_entry current; /* begun; path and link are not kept */
	char *name;		   /* its last component in `parent` */
	int fd;			   /* of a regular file or a folder; -1 */
	struct folder *folder;
	size_t n_folders, room;
	struct tree_notes notes;
	int64_t newest;
};

static int open_beneath(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Forgets the open parent: names may have changed. */
static void drop_parent(struct tree *t)
{
	if (t->parent >= 0)
		close(t->parent);
	t->parent = -1;
	free(steal(t->parent_path));
}

static void drop_current(struct tree *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	free(steal(t->name));
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	drop_current(t);
	drop_parent(t);
	for (size_t i = 0; i < t->n_folders; i++)
		free(t->folder[i].path);
	free(t->folder);
	if (t->root >= 0)
		close(t->root);
	free(t);
}

const struct tree_notes *tree_notes(const struct tree *t)
{
	return &t->notes;
}

int64_t tree_newest(const struct tree *t)
{
	return t->newest;
}

bool tree_is_in(int folder, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT |
					   RESOLVE_NO_MAGICLINKS };
	auto_close int fd =
		(int)syscall(SYS_openat2, folder, path, &how, sizeof(how));

	return fd >= 0;
}

bool tree_has(const struct tree *t, const char *path)
{
	return tree_is_in(t->root, path);
}

/*
 * Writes the path without empty and "." components into ret, which has PATH_MAX
 * bytes; "" is the root. ".." and a leading "/" are refused.
 */
static int clean_path(const char *path, char *ret, struct err *e)
{
	char *out = ret;

	if (*path == '/')
		return err_set(e, EINVAL, "entry '%.200s': an absolute name",
			       path);
	if (strlen(path) >= PATH_MAX)
		return err_set(e, ENAMETOOLONG, "entry '%.200s...': too long",
			       path);
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && memcmp(path, "..", 2) == 0)
			return err_set(e, EINVAL,
				       "entry '%.200s': '..' in the name",
				       path);
		if (n > TREE_NAME_MAX)
			return err_set(e, ENAMETOOLONG,
				       "entry '%.200s...': too long", path);
		if (n > 0 && !(n == 1 && *path == '.')) {
			if (out > ret)
				*out++ = '/';
			memcpy(out, path, n);
			out += n;
		}
		path += n;
		path += *path == '/';
	}
	*out = '\0';
	return 0;
}

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int set_opaque(int parent, const char *name, struct err *e)
{
	auto_close int fd = openat(
		parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0)
		return err_sys(e, errno, "make '%s' opaque", name);
	return 0;
}

/*
 * Takes away what stands in the way of a new entry. *ret_hidden: it was a
 * whiteout, so a folder in its place has to be opaque.
 */
static int clear_way(struct tree *t, int parent, const char *name,
		     bool *ret_hidden, struct err *e)
{
	struct stat st;

	*ret_hidden = false;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "'%s'", name);
	if (unlinkat(parent, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
		return err_sys(e, errno,
			       "'%s' stands twice in the archive: replace it",
			       name);
	*ret_hidden = is_whiteout(&st);
	/* The parent may have been found through what is gone now. */
	if (parent != t->parent && t->parent >= 0)
		drop_parent(t);
	return 0;
}

/* A folder that is there already is kept. */
static int make_folder(struct tree *t, int parent, const char *name,
		       struct err *e)
{
	bool hidden;
	struct stat st;
	int r;

	if (mkdirat(parent, name, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(e, errno, "make folder '%s'", name);
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return 0;
	r = clear_way(t, parent, name, &hidden, e);
	if (r < 0)
		return r;
	if (mkdirat(parent, name, 0700) < 0)
		return err_sys(e, errno, "make folder '%s'", name);
	return hidden ? set_opaque(parent, name, e) : 0;
}

static int refuse_parent(const char *path, int code, struct err *e)
{
	if (code == EXDEV || code == ELOOP)
		return err_set(
			e, EINVAL,
			"entry below '%s': a link there leads out of the "
			"image",
			path);
	return err_sys(e, code, "entry below '%s'", path);
}

/* What an entry's parents get if the archive does not name them. */
static int set_implied(int fd, struct err *e)
{
	static const struct timespec zero[2];

	if (fchmod(fd, IMPLIED_MODE) < 0 || fchown(fd, 0, 0) < 0 ||
	    futimens(fd, zero) < 0)
		return err_sys(e, errno, "set up a folder");
	return 0;
}

static int keep_time(struct tree *t, const char *path,
		     const struct timespec *mtime, struct err *e)
{
	if (t->n_folders == t->room) {
		size_t room = t->room ? t->room * 2 : 256;
		struct folder *more =
			reallocarray(t->folder, room, sizeof(*more));

		if (!more)
			return err_oom(e, path);
		t->folder = more;
		t->room = room;
	}
	t->folder[t->n_folders].path = strdup(*path ? path : ".");
	if (!t->folder[t->n_folders].path)
		return err_oom(e, path);
	t->folder[t->n_folders++].mtime = *mtime;
	return 0;
}

int tree_new(const char *path, struct tree **ret, struct err *e)
{
	AUTO(tree_freep) struct tree *t = calloc(1, sizeof(*t));
	static const struct timespec zero;
	int r;

	if (!t)
		return err_oom(e, path);
	t->root = t->parent = t->fd = -1;
	if (mkdir(path, 0755) < 0)
		return err_sys(e, errno, "make folder %s", path);
	t->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0)
		return err_sys(e, errno, "open %s", path);
	r = set_implied(t->root, e);
	if (r == 0)
		r = keep_time(t, "", &zero, e);
	if (r < 0)
		return r;
	*ret = steal(t);
	return 0;
}

/* Makes and opens the last folder of `path`, whose parents exist. */
static int make_implied(struct tree *t, const char *path, struct err *e)
{
	static const struct timespec zero;
	auto_close int parent = -1, fd = -1;
	auto_free char *copy = strdup(path);
	struct stat st;
	char *slash;
	int r;

	if (!copy)
		return err_oom(e, path);
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	parent =
		open_beneath(t->root, slash ? copy : ".", O_PATH | O_DIRECTORY);
	if (parent < 0)
		return refuse_parent(path, errno, e);
	/* A file or a link that leads nowhere is not replaced unasked. */
	if (fstatat(parent, slash ? slash + 1 : copy, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 &&
	    !is_whiteout(&st))
		return refuse_parent(path, ENOTDIR, e);
	r = make_folder(t, parent, slash ? slash + 1 : copy, e);
	if (r < 0)
		return r;
	fd = open_beneath(t->root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return refuse_parent(path, errno, e);
	r = set_implied(fd, e);
	return r < 0 ? r : keep_time(t, path, &zero, e);
}

/* Opens a folder by its clean path, and makes what is missing on the way. */
static int open_folder(struct tree *t, char *path, struct err *e)
{
	int fd =
		open_beneath(t->root, *path ? path : ".", O_PATH | O_DIRECTORY);
	int r;

	if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR))
		return fd >= 0 ? fd : refuse_parent(path, errno, e);
	for (char *p = path;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		fd = open_beneath(t->root, path, O_PATH | O_DIRECTORY);
		r = 0;
		if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
			r = refuse_parent(path, errno, e);
		else if (fd < 0)
			r = make_implied(t, path, e);
		else if (c != '\0')
			close(fd);
		*p = c;
		if (r < 0)
			return r;
		if (c == '\0')
			break;
	}
	if (fd < 0)
		fd = open_beneath(t->root, path, O_PATH | O_DIRECTORY);
	return fd >= 0 ? fd : refuse_parent(path, errno, e);
}

/* Opens the parent of a clean path as t->parent; *ret_name points into path. */
static int enter(struct tree *t, char *path, const char **ret_name,
		 struct err *e)
{
	char *slash = strrchr(path, '/');
	const char *folder = slash ? path : "";
	int r = 0;

	*ret_name = slash ? slash + 1 : path;
	if (slash)
		*slash = '\0';
	if (!t->parent_path || strcmp(t->parent_path, folder) != 0) {
		char empty[1] = "";

		drop_parent(t);
		r = open_folder(t, slash ? path : empty, e);
		if (r >= 0) {
			t->parent = r;
			t->parent_path = strdup(folder);
			r = t->parent_path ? 0 : err_oom(e, path);
		}
	}
	if (slash)
		*slash = '/';
	return r;
}

static int hard_link(struct tree *t, const char *name, const char *link,
		     struct err *e)
{
	auto_close int from = -1;
	char target[PATH_MAX];
	const char *last;
	bool hidden;
	struct stat st;
	char *slash;
	int r;

	r = clean_path(link, target, e);
	if (r < 0)
		return r;
	slash = strrchr(target, '/');
	last = slash ? slash + 1 : target;
	if (slash)
		*slash = '\0';
	from = open_beneath(t->root, slash ? target : ".",
			    O_PATH | O_DIRECTORY);
	if (from < 0 || fstatat(from, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "hard link '%s' to '%.200s'", name,
			       link);
	if (S_ISDIR(st.st_mode) || is_whiteout(&st))
		return err_set(e, EINVAL,
			       "hard link '%s' to '%.200s': not a file", name,
			       link);
	if (strcmp(last, name) == 0) {
		struct stat there;

		if (fstatat(t->parent, name, &there, AT_SYMLINK_NOFOLLOW) ==
			    0 &&
		    there.st_ino == st.st_ino && there.st_dev == st.st_dev)
			return 0;
	}
	r = clear_way(t, t->parent, name, &hidden, e);
	if (r == 0 && linkat(from, last, t->parent, name, 0) < 0)
		r = err_sys(e, errno, "hard link '%s' to '%.200s'", name, link);
	return r;
}

/* Makes the entry's node, still private to us. */
static int make_node(struct tree *t, const struct tree_entry *te,
		     const char *name, struct err *e)
{
	bool hidden;
	int r;

	if (S_ISDIR(te->mode)) {
		r = *name ? make_folder(t, t->parent, name, e) : 0;
		if (r < 0)
			return r;
		t->fd = openat(t->parent, *name ? name : ".",
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return t->fd < 0 ? err_sys(e, errno, "open '%s'", name) : 0;
	}
	r = clear_way(t, t->parent, name, &hidden, e);
	if (r < 0)
		return r;
	if (S_ISREG(te->mode)) {
		t->fd = openat(t->parent, name,
			       O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW |
				       O_CLOEXEC,
			       0600);
		r = t->fd;
	} else if (S_ISLNK(te->mode)) {
		r = symlinkat(te->link, t->parent, name);
	} else {
		r = mknodat(t->parent, name, S_IFIFO | 0600, 0);
	}
	return r < 0 ? err_sys(e, errno, "make '%s'", te->path) : 0;
}

/* Counts what has no place in an image. */
static bool left_out(struct tree *t, const struct tree_entry *te)
{
	if (te->is_hardlink)
		return false;
	if (S_ISCHR(te->mode) || S_ISBLK(te->mode)) {
		if (t->notes.devices++ == 0)
			snprintf(t->notes.first_device,
				 sizeof(t->notes.first_device), "%s", te->path);
		return true;
	}
	t->notes.sockets += S_ISSOCK(te->mode);
	return S_ISSOCK(te->mode);
}

int tree_begin(struct tree *t, const struct tree_entry *te, int *ret_fd,
	       struct err *e)
{
	char path[PATH_MAX];
	const char *name;
	int r;

	drop_current(t);
	*ret_fd = -1;
	r = clean_path(te->path, path, e);
	if (r < 0)
		return r;
	if (left_out(t, te))
		return 1;
	if (!*path && (te->is_hardlink || !S_ISDIR(te->mode)))
		return err_set(e, EINVAL, "the root of the image is no folder");
	if (!te->is_hardlink && !S_ISDIR(te->mode) && !S_ISREG(te->mode) &&
	    !S_ISLNK(te->mode) && !S_ISFIFO(te->mode))
		return err_set(e, EINVAL, "entry '%.200s': of no known kind",
			       te->path);
	r = enter(t, path, &name, e);
	if (r < 0)
		return r;
	if (te->is_hardlink) {
		r = hard_link(t, name, te->link, e);
		return r < 0 ? r : 1;
	}
	r = make_node(t, te, name, e);
	if (r == 0 && S_ISDIR(te->mode))
		r = keep_time(t, path, &te->mtime, e);
	if (r < 0)
		return r;
	t->name = strdup(*name ? name : ".");
	if (!t->name)
		return err_oom(e, te->path);
	t->current = *te;
	*ret_fd = S_ISREG(te->mode) ? t->fd : -1;
	return 0;
}

int tree_own(struct tree *t, struct err *e)
{
	const struct tree_entry *te = &t->current;

	if (fchownat(t->parent, t->name, te->uid, te->gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "give '%s' to %u:%u", t->name, te->uid,
			       te->gid);
	/* A change of owner takes set-user-ID away, so the mode comes after. */
	if (!S_ISLNK(te->mode) &&
	    fchmodat(t->parent, t->name, te->mode & 07777, 0) < 0)
		return err_sys(e, errno, "set the mode of '%s'", t->name);
	return 0;
}

bool tree_drops_xattr(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(overlay_xattrs); i++)
		if (strncmp(name, overlay_xattrs[i],
			    strlen(overlay_xattrs[i])) == 0)
			return true;
	return false;
}

int tree_xattr(struct tree *t, const char *name, const void *value, size_t len,
	       struct err *e)
{
	char path[PATH_MAX];
	int r;

	if (tree_drops_xattr(name)) {
		t->notes.xattrs++;
		return 0;
	}
	/* By way of /proc, as there is no setxattrat(2): links are not
	 * followed, and the parent is held open. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", t->parent, t->name);
	r = t->fd >= 0 ? fsetxattr(t->fd, name, value, len, 0)
		       : lsetxattr(path, name, value, len, 0);
	if (r < 0)
		return err_sys(e, errno, "set xattr %s of '%s'", name, t->name);
	return 0;
}

int tree_end(struct tree *t, struct err *e)
{
	struct timespec times[2] = { t->current.mtime, t->current.mtime };

	if (t->current.mtime.tv_sec > t->newest)
		t->newest = t->current.mtime.tv_sec;
	if (!S_ISDIR(t->current.mode) &&
	    utimensat(t->parent, t->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "set the time of '%s'", t->name);
	drop_current(t);
	return 0;
}

int tree_whiteout(struct tree *t, const char *whiteout, struct err *e)
{
	char path[PATH_MAX];
	const char *name;
	struct stat st;
	int r;

	drop_current(t);
	r = clean_path(whiteout, path, e);
	if (r == 0)
		r = enter(t, path, &name, e);
	if (r != 0)
		return r;
	/* The layer's own entry of that name stands above the lower ones. */
	if (fstatat(t->parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? set_opaque(t->parent, name, e) : 0;
	if (mknodat(t->parent, name, S_IFCHR, makedev(0, 0)) < 0)
		return err_sys(e, errno, "make whiteout '%s'", whiteout);
	return utimensat(t->parent, name, (struct timespec[2]){ 0 },
			 AT_SYMLINK_NOFOLLOW) < 0
		       ? err_sys(e, errno, "set the time of '%s'", whiteout)
		       : 0;
}

int tree_opaque(struct tree *t, const char *folder, struct err *e)
{
	auto_close int fd = -1;
	char path[PATH_MAX];
	int r;

	drop_current(t);
	r = clean_path(folder, path, e);
	if (r < 0)
		return r;
	if (!*path)
		return set_opaque(t->root, ".", e);
	fd = open_folder(t, path, e);
	return fd < 0 ? fd : set_opaque(fd, ".", e);
}

int tree_finish(struct tree *t, struct err *e)
{
	drop_current(t);
	drop_parent(t);
	for (size_t i = 0; i < t->n_folders; i++) {
		const struct folder *f = &t->folder[i];
		struct timespec times[2] = { f->mtime, f->mtime };
		auto_close int fd = open_beneath(
			t->root, f->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		/* Replaced by something else since. */
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR ||
			       errno == ELOOP || errno == EXDEV))
			continue;
		if (fd < 0 || futimens(fd, times) < 0)
			return err_sys(e, errno, "set the time of '%s'",
				       f->path);
	}
	return 0;
}
