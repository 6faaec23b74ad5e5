/* SPDX-License-Identifier: Apache-2.0 */
#include "images/path_map.h"

#include "lib/auto.h"
#include "lib/err.h"

#include <search.h>
#include <string.h>

/* A balanced tree for tsearch(3): names come from outside, and no choice of
 * them makes it slow. */
struct pathmap {
	void *root;
	size_t n;
};

struct listing {
	struct path_state **state;
	size_t n;
};

static int compare_paths(const void *a, const void *b)
{
	const struct path_state *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void free_state(void *p)
{
	struct path_state *s = p;

	free(s->path);
	free(s);
}

int pathmap_new(struct pathmap **ret, struct err *e)
{
	struct pathmap *m = calloc(1, sizeof(*m));

	if (!m)
		return err_oom(e, "keep a layer's paths");
	*ret = m;
	return 0;
}

void pathmap_free(struct pathmap *m)
{
	if (!m)
		return;
	tdestroy(m->root, free_state);
	free(m);
}

struct path_state *pathmap_get(const struct pathmap *m, const char *path)
{
	const struct path_state key = { .path = (char *)path };
	struct path_state **found = tfind(&key, &m->root, compare_paths);

	return found ? *found : NULL;
}

int pathmap_add(struct pathmap *m, const char *path, struct path_state **ret,
		struct err *e)
{
	struct path_state *s = pathmap_get(m, path);

	if (s) {
		*ret = s;
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (s)
		s->path = strdup(path);
	if (!s || !s->path || !tsearch(s, &m->root, compare_paths)) {
		if (s)
			free_state(s);
		return err_oom(e, path);
	}
	m->n++;
	*ret = s;
	return 0;
}

static void add_to_listing(const void *node, VISIT which, void *data)
{
	struct listing *l = data;

	if (which == postorder || which == leaf)
		l->state[l->n++] = *(struct path_state *const *)node;
}

/* A copy: visitors may add to the map. */
static int list_states(const struct pathmap *m, struct listing *ret,
		       struct err *e)
{
	ret->n = 0;
	ret->state = reallocarray(NULL, m->n + 1, sizeof(struct path_state *));
	if (!ret->state)
		return err_oom(e, "list a layer's paths");
	twalk_r(m->root, add_to_listing, ret);
	return 0;
}

int pathmap_walk(const struct pathmap *m,
		 int (*visit)(void *ctx, struct path_state *s, struct err *e),
		 void *ctx, struct err *e)
{
	struct listing l;
	int r = list_states(m, &l, e);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = visit(ctx, l.state[i], e);
	free(l.state);
	return r;
}

int pathmap_walk_back(const struct pathmap *m,
		      int (*visit)(void *ctx, struct path_state *s,
				   struct err *e),
		      void *ctx, struct err *e)
{
	struct listing l;
	int r = list_states(m, &l, e);

	if (r < 0)
		return r;
	for (size_t i = l.n; r == 0 && i > 0; i--)
		r = visit(ctx, l.state[i - 1], e);
	free(l.state);
	return r;
}
