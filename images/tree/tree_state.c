/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/tree_state.h"

#include "images/tree/path_map.h"
#include "images/tree/tree_path.h"
#include "lib/auto.h"
#include "lib/err.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void tree_state_close_parent(struct tree *t)
{
	if (t->parent >= 0)
		close(t->parent);
	t->parent = -1;
	free(steal(t->parent_path));
	free(steal(t->place));
}

void tree_state_close_entry(struct tree *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	free(steal(t->name));
}

int tree_state_record_path(struct tree *t, const char *path, bool written,
			   struct path_state **ret, struct err *e)
{
	char copy[PATH_MAX];
	struct path_state *s, *first = NULL;
	struct stat st;
	bool done;

	snprintf(copy, sizeof(copy), "%s", path);
	for (;;) {
		char *slash = strrchr(copy, '/');
		int r = path_map_add(t->layer, copy, &s, e);

		if (r < 0)
			return r;
		if (!first)
			first = s;
		if (!s->is_timed &&
		    fstatat(t->root, *copy ? copy : ".", &st,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode)) {
			s->is_timed = true;
			s->mtime = st.st_mtim;
		}
		done = written ? s->written : s->included;
		s->included = true;
		s->written = s->written || written;
		if (done || !*copy)
			break;
		*(slash ? slash : copy) = '\0';
	}
	if (ret)
		*ret = first;
	return 0;
}

int tree_state_record_time(struct tree *t, const char *place, const char *name,
			   const struct timespec *mtime, struct err *e)
{
	char path[PATH_MAX];
	struct path_state *s;
	int r;

	r = tree_path_join(place, name, path, e);
	if (r == 0)
		r = tree_state_record_path(t, path, true, &s, e);
	if (r != 0)
		return r;
	s->is_timed = true;
	s->mtime = *mtime;
	return 0;
}
