/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that show what the module has. */
#include "cellsd/ctl/output.h"
#include "cellsd/devnsctl/devns_name.h"
#include "cellsd/devnsctl/devnsctl.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"

#include <stdio.h>

struct view {
	const struct nsctl *c;
	json_t *rows;
};

static int show(const struct nsctl *c, const struct ctlshow_column *columns,
		const json_t *rows, struct err *e)
{
	return c->json ? ctlshow_json(rows, e) : ctlshow_rows(columns, rows, e);
}

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* "81:3"; null where there is no node. */
static json_t *device(uint32_t major, uint32_t minor)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major, minor);
	return major || minor ? json_string(text) : json_null();
}

/* ["camera", ...] */
static json_t *class_names(uint32_t classes)
{
	json_t *list = json_array();

	for (int i = 0; i < CELLS_CLASS_COUNT; i++)
		if (classes >> i & 1)
			json_array_append_new(list, json_string(class_name(i)));
	return list;
}

/* As words in a table; a list in JSON. */
static json_t *classes_of(const struct nsctl *c, uint32_t classes)
{
	json_t *list = class_names(classes), *one, *text;
	char line[512] = "";
	size_t i, used = 0;

	if (c->json)
		return list;
	json_array_foreach (list, i, one)
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 "%s%s", i ? "," : "",
					 json_string_value(one));
	text = json_string(line);
	json_decref(list);
	return text;
}

/* ---- list */

static void add_ns(void *arg, const struct devnslink_ns *ns)
{
	json_array_append_new(
		arg,
		json_pack("{so ss sb so so so}", "id", number(ns->id), "name",
			  ns->name, "foreground", ns->active, "handles",
			  number(ns->handles), "mappings", number(ns->mappings),
			  "generation", number(ns->generation)));
}

int nsctl_list(struct nsctl *c, char **argv, struct err *e)
{
	static const struct ctlshow_column columns[] = {
		{ "ID", "id" },
		{ "DEVNS", "name" },
		{ "FOREGROUND", "foreground" },
		{ "HANDLES", "handles" },
		{ "MAPPINGS", "mappings" },
		{ "GENERATION", "generation" },
		{},
	};
	auto_json json_t *rows = json_array();
	int r = devnslink_each_ns(c->link, add_ns, rows, e);

	return r < 0 ? r : show(c, columns, rows, e);
}

/* ---- sources */

static void add_source(void *arg, const struct devnslink_source *s)
{
	const struct view *v = arg;

	json_array_append_new(v->rows,
			      json_pack("{so ss so so ss}", "source",
					number(s->id), "node", s->node,
					"device", device(s->major, s->minor),
					"classes", classes_of(v->c, s->classes),
					"kind", devnslink_kind_name(s->kind)));
}

int nsctl_sources(struct nsctl *c, char **argv, struct err *e)
{
	static const struct ctlshow_column columns[] = {
		{ "SOURCE", "source" },	  { "NODE", "node" },
		{ "DEVICE", "device" },	  { "KIND", "kind" },
		{ "CLASSES", "classes" }, {},
	};
	auto_json json_t *rows = json_array();
	struct view v = { c, rows };
	int r = devnslink_each_source(c->link, add_source, &v, e);

	return r < 0 ? r : show(c, columns, rows, e);
}

/* ---- endpoints */

static void add_endpoint(void *arg, const struct devnslink_endpoint *ep)
{
	const struct view *v = arg;

	if (!nsname_wants(v->c, ep->ns))
		return;
	json_array_append_new(
		v->rows,
		json_pack("{ss so ss so so sb so so}", "devns",
			  nsname_get(v->c, ep->ns), "source",
			  number(ep->source), "node", ep->node, "device",
			  device(ep->major, ep->minor), "classes",
			  classes_of(v->c, ep->classes), "allowed", ep->allowed,
			  "handles", number(ep->handles), "mappings",
			  number(ep->mappings)));
}

int nsctl_endpoints(struct nsctl *c, char **argv, struct err *e)
{
	static const struct ctlshow_column columns[] = {
		{ "DEVNS", "devns" },	  { "NODE", "node" },
		{ "DEVICE", "device" },	  { "ALLOWED", "allowed" },
		{ "HANDLES", "handles" }, { "MAPPINGS", "mappings" },
		{ "CLASSES", "classes" }, {},
	};
	auto_json json_t *rows = json_array();
	struct view v = { c, rows };
	int r = devnslink_each_endpoint(c->link, add_endpoint, &v, e);

	return r < 0 ? r : show(c, columns, rows, e);
}

static void add_stat(void *arg, const struct devnslink_endpoint *ep)
{
	const struct view *v = arg;

	if (!nsname_wants(v->c, ep->ns))
		return;
	json_array_append_new(
		v->rows,
		json_pack("{ss ss so so so so so so}", "devns",
			  nsname_get(v->c, ep->ns), "node", ep->node, "handles",
			  number(ep->handles), "mappings", number(ep->mappings),
			  "opens", number(ep->opens), "denials",
			  number(ep->denials), "calls", number(ep->calls),
			  "revokes", number(ep->revokes)));
}

int nsctl_stat(struct nsctl *c, char **argv, struct err *e)
{
	static const struct ctlshow_column columns[] = {
		{ "DEVNS", "devns" },
		{ "NODE", "node" },
		{ "HANDLES", "handles" },
		{ "MAPPINGS", "mappings" },
		{ "OPENS", "opens" },
		{ "DENIALS", "denials" },
		{ "CALLS", "calls" },
		{ "REVOKES", "revokes" },
		{},
	};
	auto_json json_t *rows = json_array();
	struct view v = { c, rows };
	int r = devnslink_each_stat(c->link, add_stat, &v, e);

	return r < 0 ? r : show(c, columns, rows, e);
}

/* ---- modes */

static const char *mode_word(struct cells_right right)
{
	switch (right.use) {
	case CELLS_USE_NONE:
		return "none";
	case CELLS_USE_FRONT:
		return right.block ? "exclusive" : "front";
	default:
		return "shared";
	}
}

static void add_modes(void *arg, const struct devnslink_ns *ns)
{
	const struct view *v = arg;

	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		struct cells_right r = ns->right[c];

		if (!nsname_wants(v->c, ns->id) ||
		    (r.use == CELLS_USE_NONE && !r.block))
			continue;
		json_array_append_new(
			v->rows, json_pack("{ss ss ss sb}", "devns", ns->name,
					   "class", class_name(c), "mode",
					   mode_word(r), "block", r.block));
	}
}

/* What is not listed is none. */
int nsctl_modes(struct nsctl *c, char **argv, struct err *e)
{
	static const struct ctlshow_column columns[] = {
		{ "DEVNS", "devns" },
		{ "CLASS", "class" },
		{ "MODE", "mode" },
		{ "BLOCK", "block" },
		{},
	};
	auto_json json_t *rows = json_array();
	struct view v = { c, rows };
	int r = devnslink_each_ns(c->link, add_modes, &v, e);

	return r < 0 ? r : show(c, columns, rows, e);
}
