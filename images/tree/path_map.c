/* SPDX-License-Identifier: Apache-2.0 */
#include "images/tree/path_map.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <search.h>
#include <string.h>

/* A balanced tree for tsearch(3): names come from outside, and no choice of
 * them makes it slow. */
struct path_map {
	void *root;
	size_t n;
};

struct state_list {
	struct path_state **state;
	size_t n;
};

static int compare_state_paths(const void *a, const void *b)
{
	const struct path_state *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void free_path_state(void *p)
{
	struct path_state *s = p;

	free(s->path);
	free(s);
}

int path_map_new(struct path_map **ret, struct err *e)
{
	struct path_map *m = calloc(1, sizeof(*m));

	if (!m)
		return err_oom(e, "keep a layer's paths");
	*ret = m;
	return 0;
}

void path_map_free(struct path_map *m)
{
	if (!m)
		return;
	tdestroy(m->root, free_path_state);
	free(m);
}

struct path_state *path_map_get(const struct path_map *m, const char *path)
{
	const struct path_state key = { .path = (char *)path };
	struct path_state **found = tfind(&key, &m->root, compare_state_paths);

	return found ? *found : NULL;
}

int path_map_add(struct path_map *m, const char *path, struct path_state **ret,
		 struct err *e)
{
	struct path_state *s = path_map_get(m, path);

	if (s) {
		*ret = s;
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (s)
		s->path = strdup(path);
	if (!s || !s->path || !tsearch(s, &m->root, compare_state_paths)) {
		if (s)
			free_path_state(s);
		return err_oom(e, path);
	}
	m->n++;
	*ret = s;
	return 0;
}

static void append_path_state(const void *node, VISIT which, void *data)
{
	struct state_list *l = data;

	if (which == postorder || which == leaf)
		l->state[l->n++] = *(struct path_state *const *)node;
}

/* A copy: visitors may add to the map. */
static int list_path_states(const struct path_map *m, struct state_list *ret,
			    struct err *e)
{
	ret->n = 0;
	ret->state = reallocarray(NULL, m->n + 1, sizeof(struct path_state *));
	if (!ret->state)
		return err_oom(e, "list a layer's paths");
	twalk_r(m->root, append_path_state, ret);
	return 0;
}

int path_map_walk(const struct path_map *m,
		  int (*visit)(void *ctx, struct path_state *s, struct err *e),
		  void *ctx, struct err *e)
{
	struct state_list l;
	int r = list_path_states(m, &l, e);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = visit(ctx, l.state[i], e);
	free(l.state);
	return r;
}

int path_map_walk_reverse(const struct path_map *m,
			  int (*visit)(void *ctx, struct path_state *s,
				       struct err *e),
			  void *ctx, struct err *e)
{
	struct state_list l;
	int r = list_path_states(m, &l, e);

	if (r < 0)
		return r;
	for (size_t i = l.n; r == 0 && i > 0; i--)
		r = visit(ctx, l.state[i - 1], e);
	free(l.state);
	return r;
}
