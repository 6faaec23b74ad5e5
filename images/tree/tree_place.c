/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/tree_place.h"

#include "images/tree/tree_path.h"
#include "images/tree/tree_state.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

struct tree_place {
	char *path;
	ino_t ino;
};

int tree_place_new(const struct tree *t, struct tree_place **ret, struct err *e)
{
	struct tree_place *p = calloc(1, sizeof(*p));
	char path[PATH_MAX];
	struct stat st;
	int r;

	if (!p)
		return err_oom(e, t->name);
	r = tree_path_join(t->place, strcmp(t->name, ".") ? t->name : "", path,
			   e);
	if (r == 0)
		p->path = strdup(path);
	if (r == 0 && !p->path)
		r = err_oom(e, path);
	if (r == 0 && fstatat(t->parent, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = err_sys(e, errno, "'%s'", path);
	if (r != 0) {
		tree_place_free(p);
		return r;
	}
	p->ino = st.st_ino;
	*ret = p;
	return 0;
}

void tree_place_free(struct tree_place *p)
{
	if (p)
		free(p->path);
	free(p);
}

const char *tree_place_path(const struct tree_place *p)
{
	return p->path;
}

bool tree_place_is_unchanged(const struct tree *t, const struct tree_place *p)
{
	auto_close int fd =
		tree_path_open(t->root, p->path, false, O_PATH | O_NOFOLLOW);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == p->ino;
}

int tree_place_set_xattr(struct tree *t, const struct tree_place *p,
			 const char *name, const void *value, size_t len,
			 struct err *e)
{
	auto_close int fd =
		tree_path_open(t->root, p->path, false, O_PATH | O_NOFOLLOW);
	char link[sizeof("/proc/self/fd/") + 11];

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", p->path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	/* Safe because the link of /proc leads to what is open, no further. */
	if (setxattr(link, name, value, len, 0) < 0)
		return err_sys(e, errno, "set xattr %s of '%s'", name, p->path);
	return 0;
}
