/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/tree.h"

#include "images/tree/path_map.h"
#include "images/tree/prune.h"
#include "images/tree/tree_path.h"
#include "images/tree/tree_state.h"
#include "images/tree/xattr.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define IMPLIED_MODE 0755

/* Overlayfs takes these from the layers: mounted by the initial user namespace,
 * without the option userxattr. */
static const char *const overlay_xattrs[] = {
	"trusted.overlay.",
	"user.overlay.",
};

void tree_free(struct tree *t)
{
	if (!t)
		return;
	tree_state_close_entry(t);
	tree_state_close_parent(t);
	path_map_free(t->layer);
	if (t->root >= 0)
		close(t->root);
	free(t->top);
	free(t);
}

const struct tree_omissions *tree_get_omissions(const struct tree *t)
{
	return &t->notes;
}

int64_t tree_newest_time(const struct tree *t)
{
	return t->newest;
}

bool tree_has_path(int folder, const char *path)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT |
					   RESOLVE_NO_MAGICLINKS };
	auto_close int fd =
		(int)syscall(SYS_openat2, folder, path, &how, sizeof(how));

	return fd >= 0;
}

int tree_root_fd(const struct tree *t)
{
	return t->root;
}

/*
 * Takes away what is in the way of a new entry: of lower layers all, of
 * this layer no folder that holds something.
 */
static int remove_replaced_entry(struct tree *t, int parent, const char *place,
				 const char *name, struct err *e)
{
	char path[PATH_MAX];
	struct path_state *s;
	struct stat st;
	int r;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "'%s'", name);
	if (t->layered) {
		r = tree_path_join(place, name, path, e);
		if (r == 0)
			r = path_map_add(t->layer, path, &s, e);
		if (r == 0)
			r = prune_lower_entries(t->top, t->layer, path, true,
						e);
		if (r != 0)
			return r;
		s->removed = true;
		s->is_timed = false;
	}
	if (unlinkat(parent, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) <
		    0 &&
	    errno != ENOENT)
		return err_sys(e, errno,
			       "duplicate '%s' in the archive: replace it",
			       name);
	/* The parent may have been found through what is gone now. */
	if (parent != t->parent && t->parent >= 0)
		tree_state_close_parent(t);
	return 0;
}

/* A folder that is there already is kept. */
static int create_tree_folder(struct tree *t, int parent, const char *place,
			      const char *name, struct err *e)
{
	struct stat st;
	int r;

	if (mkdirat(parent, name, 0700) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(e, errno, "make folder '%s'", name);
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return 0;
	r = remove_replaced_entry(t, parent, place, name, e);
	if (r < 0)
		return r;
	return mkdirat(parent, name, 0700) < 0
		       ? err_sys(e, errno, "make folder '%s'", name)
		       : 0;
}

/* What an entry's parents get if no layer names them. */
static int set_implied_attributes(int fd, struct err *e)
{
	static const struct timespec zero[2];
	int r = xattr_clear(fd, "a new folder", e);

	if (r < 0)
		return r;
	if (fchmod(fd, IMPLIED_MODE) < 0 || fchown(fd, 0, 0) < 0 ||
	    futimens(fd, zero) < 0)
		return err_sys(e, errno, "set up a folder");
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
	t->top = strdup(path);
	if (!t->top)
		return err_oom(e, path);
	if (mkdir(path, 0755) < 0)
		return err_sys(e, errno, "make folder %s", path);
	t->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->root < 0)
		return err_sys(e, errno, "open %s", path);
	r = set_implied_attributes(t->root, e);
	if (r == 0)
		r = path_map_new(&t->layer, e);
	if (r == 0)
		r = tree_state_record_time(t, "", "", &zero, e);
	if (r < 0)
		return r;
	*ret = steal(t);
	return 0;
}

/* Makes and opens the last folder of `path`, whose parents exist. */
static int create_implied_folder(struct tree *t, const char *path,
				 struct err *e)
{
	static const struct timespec zero;
	auto_close int parent = -1, fd = -1;
	auto_free char *copy = strdup(path);
	char place[PATH_MAX];
	const char *name;
	struct stat st;
	char *slash;
	int r;

	if (!copy)
		return err_oom(e, path);
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	name = slash ? slash + 1 : copy;
	parent = tree_path_open(t->root, slash ? copy : "", t->layered,
				O_PATH | O_DIRECTORY);
	if (parent < 0)
		return tree_path_set_error(path, errno, e);
	/* A file or a link that leads nowhere is not replaced unasked. */
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return tree_path_set_error(path, ENOTDIR, e);
	r = tree_path_of_fd(t->root, parent, place, e);
	if (r == 0)
		r = tree_state_record_path(t, place, true, NULL, e);
	if (r == 0)
		r = create_tree_folder(t, parent, place, name, e);
	if (r < 0)
		return r;
	fd = tree_path_open(t->root, path, t->layered, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return tree_path_set_error(path, errno, e);
	r = set_implied_attributes(fd, e);
	return r < 0 ? r : tree_state_record_time(t, place, name, &zero, e);
}

/* Opens a folder by its clean path, and makes what is missing on the way. */
static int open_or_create_folder(struct tree *t, char *path, struct err *e)
{
	int fd =
		tree_path_open(t->root, path, t->layered, O_PATH | O_DIRECTORY);
	int r;

	if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR))
		return fd >= 0 ? fd : tree_path_set_error(path, errno, e);
	for (char *p = path;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		fd = tree_path_open(t->root, path, t->layered,
				    O_PATH | O_DIRECTORY);
		r = 0;
		if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
			r = tree_path_set_error(path, errno, e);
		else if (fd < 0)
			r = create_implied_folder(t, path, e);
		else if (c != '\0')
			close(fd);
		*p = c;
		if (r < 0)
			return r;
		if (c == '\0')
			break;
	}
	if (fd < 0)
		fd = tree_path_open(t->root, path, t->layered,
				    O_PATH | O_DIRECTORY);
	return fd >= 0 ? fd : tree_path_set_error(path, errno, e);
}

/* Makes the open folder t->parent. */
static int set_open_parent(struct tree *t, int fd, const char *path,
			   struct err *e)
{
	char place[PATH_MAX];
	int r;

	t->parent = fd;
	r = tree_path_of_fd(t->root, fd, place, e);
	if (r < 0)
		return r;
	t->parent_path = strdup(path);
	t->place = strdup(place);
	return t->parent_path && t->place ? 0 : err_oom(e, path);
}

/* Opens the parent of a clean path as t->parent; *ret_name points into path. */
static int open_entry_parent(struct tree *t, char *path, const char **ret_name,
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

		tree_state_close_parent(t);
		r = open_or_create_folder(t, slash ? path : empty, e);
		if (r >= 0)
			r = set_open_parent(t, r, folder, e);
		if (r == 0)
			r = tree_state_record_path(t, t->place, true, NULL, e);
	}
	if (slash)
		*slash = '/';
	return r;
}

/* Notes an entry that is not a folder, if what is noted becomes a layer. */
static int record_layer_file(struct tree *t, const char *place,
			     const char *name, bool written, struct err *e)
{
	char path[PATH_MAX];
	int r;

	if (!t->layered)
		return 0;
	r = tree_path_join(place, name, path, e);
	return r < 0 ? r : tree_state_record_path(t, path, written, NULL, e);
}

/* Opens the folder that holds a link's target. *ret_last points into target. */
static int open_link_target(const struct tree *t, const char *link,
			    char target[PATH_MAX], const char **ret_last,
			    struct err *e)
{
	char *slash;
	int r = tree_path_normalize(link, target, e);

	if (r < 0)
		return r;
	slash = strrchr(target, '/');
	*ret_last = slash ? slash + 1 : target;
	if (slash)
		*slash = '\0';
	r = tree_path_open(t->root, slash ? target : "", t->layered,
			   O_PATH | O_DIRECTORY);
	return r < 0 ? err_sys(e, errno, "hard link to '%.200s'", link) : r;
}

static bool is_same_file(const struct tree *t, const char *name,
			 const struct stat *st)
{
	struct stat there;

	return fstatat(t->parent, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       there.st_ino == st->st_ino && there.st_dev == st->st_dev;
}

static int create_hard_link(struct tree *t, const char *name, const char *link,
			    struct err *e)
{
	char target[PATH_MAX], place[PATH_MAX];
	auto_close int from = -1;
	const char *last;
	struct stat st;
	int r;

	from = open_link_target(t, link, target, &last, e);
	if (from < 0)
		return from;
	if (fstatat(from, last, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "hard link '%s' to '%.200s'", name,
			       link);
	if (S_ISDIR(st.st_mode))
		return err_set(e, EINVAL,
			       "hard link '%s' to '%.200s': not a file", name,
			       link);
	r = tree_path_of_fd(t->root, from, place, e);
	if (r == 0 && !is_same_file(t, name, &st)) {
		r = remove_replaced_entry(t, t->parent, t->place, name, e);
		if (r == 0 && linkat(from, last, t->parent, name, 0) < 0)
			r = err_sys(e, errno, "hard link '%s' to '%.200s'",
				    name, link);
	}
	if (r == 0)
		r = record_layer_file(t, t->place, name, true, e);
	return r < 0 ? r : record_layer_file(t, place, last, false, e);
}

/* Makes the entry's node, still private to us. */
static int create_entry_node(struct tree *t, const struct tree_entry *te,
			     const char *name, struct err *e)
{
	int r;

	if (S_ISDIR(te->mode)) {
		r = *name ? create_tree_folder(t, t->parent, t->place, name, e)
			  : 0;
		if (r < 0)
			return r;
		t->fd = openat(t->parent, *name ? name : ".",
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return t->fd < 0 ? err_sys(e, errno, "open '%s'", name) : 0;
	}
	r = remove_replaced_entry(t, t->parent, t->place, name, e);
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

/*
 * A new file has what its folder's ACL hands down, a folder of a lower layer
 * what it had there: an entry lists all of its xattrs.
 */
static int clear_inherited_xattrs(const struct tree *t,
				  const struct tree_entry *te, const char *name,
				  struct err *e)
{
	char path[64 + PATH_MAX];

	if (t->fd >= 0)
		return xattr_clear(t->fd, te->path, e);
	if (S_ISLNK(te->mode))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", t->parent, name);
	/* Safe because it is our own named pipe, which nobody reads. */
	if (removexattr(path, "system.posix_acl_access") < 0 &&
	    errno != ENODATA && errno != ENOTSUP)
		return err_sys(e, errno, "remove the ACL of '%s'", te->path);
	return 0;
}

/* Counts what has no place in an image. */
static bool omit_unsupported_entry(struct tree *t, const struct tree_entry *te)
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

static int check_entry_type(const struct tree_entry *te, const char *path,
			    struct err *e)
{
	if (!*path && (te->is_hardlink || !S_ISDIR(te->mode)))
		return err_set(e, EINVAL,
			       "the root of the image is not a folder");
	if (!te->is_hardlink && !S_ISDIR(te->mode) && !S_ISREG(te->mode) &&
	    !S_ISLNK(te->mode) && !S_ISFIFO(te->mode))
		return err_set(e, EINVAL, "entry '%.200s': of no known kind",
			       te->path);
	return 0;
}

int tree_begin_entry(struct tree *t, const struct tree_entry *te, int *ret_fd,
		     struct err *e)
{
	char path[PATH_MAX];
	const char *name;
	int r;

	tree_state_close_entry(t);
	*ret_fd = -1;
	r = tree_path_normalize(te->path, path, e);
	if (r < 0)
		return r;
	if (omit_unsupported_entry(t, te)) {
		/* It takes the place of what lower layers have there. */
		r = t->layered && *path ? tree_apply_whiteout(t, path, e) : 0;
		return r < 0 ? r : 1;
	}
	r = check_entry_type(te, path, e);
	if (r == 0)
		r = open_entry_parent(t, path, &name, e);
	if (r < 0)
		return r;
	if (te->is_hardlink) {
		r = create_hard_link(t, name, te->link, e);
		return r < 0 ? r : 1;
	}
	r = create_entry_node(t, te, name, e);
	if (r == 0)
		r = clear_inherited_xattrs(t, te, name, e);
	if (r == 0)
		r = S_ISDIR(te->mode)
			    ? tree_state_record_time(t, t->place, name,
						     &te->mtime, e)
			    : record_layer_file(t, t->place, name, true, e);
	if (r < 0)
		return r;
	t->name = strdup(*name ? name : ".");
	if (!t->name)
		return err_oom(e, te->path);
	t->current = *te;
	*ret_fd = S_ISREG(te->mode) ? t->fd : -1;
	return 0;
}

int tree_set_owner(struct tree *t, struct err *e)
{
	const struct tree_entry *te = &t->current;

	if (fchownat(t->parent, t->name, te->uid, te->gid,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "give '%s' to %u:%u", te->path,
			       te->uid, te->gid);
	/* A change of owner takes set-user-ID away, so the mode comes after. */
	if (!S_ISLNK(te->mode) &&
	    fchmodat(t->parent, t->name, te->mode & 07777, 0) < 0)
		return err_sys(e, errno, "set the mode of '%s'", te->path);
	return 0;
}

bool tree_is_omitted_xattr(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(overlay_xattrs); i++)
		if (strncmp(name, overlay_xattrs[i],
			    strlen(overlay_xattrs[i])) == 0)
			return true;
	return false;
}

int tree_set_xattr(struct tree *t, const char *name, const void *value,
		   size_t len, struct err *e)
{
	char path[PATH_MAX];
	int r;

	if (tree_is_omitted_xattr(name)) {
		t->notes.xattrs++;
		return 0;
	}
	/* By way of /proc, as there is no setxattrat(2): links are not
	 * followed, and the parent is held open. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", t->parent, t->name);
	r = t->fd >= 0 ? fsetxattr(t->fd, name, value, len, 0)
		       : lsetxattr(path, name, value, len, 0);
	if (r < 0)
		return err_sys(e, errno, "set xattr %s of '%s'", name,
			       t->current.path);
	return 0;
}

int tree_read_file(const struct tree *t, const char *path, size_t max,
		   char **ret, struct err *e)
{
	auto_close int fd =
		tree_path_open(t->root, path, true, O_RDONLY | O_NONBLOCK);
	struct stat st;
	size_t len;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return io_read_fd(fd, path, max, ret, &len, e);
}

int tree_end_entry(struct tree *t, struct err *e)
{
	struct timespec times[2] = { t->current.mtime, t->current.mtime };

	if (t->current.mtime.tv_sec > t->newest)
		t->newest = t->current.mtime.tv_sec;
	if (!S_ISDIR(t->current.mode) &&
	    utimensat(t->parent, t->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "set the time of '%s'",
			       t->current.path);
	tree_state_close_entry(t);
	return 0;
}

static int set_folder_time(void *ctx, struct path_state *s, struct err *e)
{
	const struct tree *t = ctx;
	struct timespec times[2] = { s->mtime, s->mtime };
	auto_close int fd = -1;

	if (!s->is_timed)
		return 0;
	fd = tree_path_open(t->root, s->path, false,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	/* Replaced by something else since. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP ||
		       errno == EXDEV))
		return 0;
	if (fd < 0 || futimens(fd, times) < 0)
		return err_sys(e, errno, "set the time of '%s'", s->path);
	return 0;
}

int tree_finish_layer(struct tree *t, struct err *e)
{
	tree_state_close_entry(t);
	tree_state_close_parent(t);
	return path_map_walk(t->layer, set_folder_time, t, e);
}
