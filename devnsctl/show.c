/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs that show what the module has. */
#include "devnsctl/devns_name.h"
#include "devnsctl/devnsctl.h"
#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/table.h"

#include <stdio.h>

struct row_list {
	const struct devnsctl *c;
	json_t *rows;
};

static int print_table_or_json(const struct devnsctl *c,
			       const struct table_column *columns,
			       const json_t *rows, struct err *e)
{
	return c->json ? table_print_json(rows, e)
		       : table_print_rows(columns, rows, e);
}

static json_t *build_number_json(uint64_t n)
{
	return json_integer((json_int_t)n);
}

/* "81:3"; null where there is none. */
static json_t *build_device_json(uint32_t major, uint32_t minor)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", major, minor);
	return major || minor ? json_string(text) : json_null();
}

/* ["camera", ...] */
static json_t *build_class_list(uint32_t classes)
{
	json_t *list = json_array();

	for (int i = 0; i < CELLS_CLASS_COUNT; i++)
		if (classes >> i & 1)
			json_array_append_new(list, json_string(class_name(i)));
	return list;
}

/* As words in a table; a list in JSON. */
static json_t *build_classes_json(const struct devnsctl *c, uint32_t classes)
{
	json_t *list = build_class_list(classes), *one, *text;
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

static void add_devns_row(void *arg, const struct devns_link_ns *ns)
{
	json_array_append_new(
		arg, json_pack("{so ss sb so so so}", "id",
			       build_number_json(ns->id), "name", ns->name,
			       "foreground", ns->active, "handles",
			       build_number_json(ns->handles), "mappings",
			       build_number_json(ns->mappings), "generation",
			       build_number_json(ns->generation)));
}

int devnsctl_list_devns(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct devnsctl *c = context;
	static const struct table_column columns[] = {
		{ "ID", "id" },
		{ "DEVNS", "name" },
		{ "FOREGROUND", "foreground" },
		{ "HANDLES", "handles" },
		{ "MAPPINGS", "mappings" },
		{ "GENERATION", "generation" },
		{},
	};
	auto_json json_t *rows = json_array();
	int r = devns_link_each_ns(c->link, add_devns_row, rows, e);
	return r < 0 ? r : print_table_or_json(c, columns, rows, e);
}

/* ---- sources */

static void add_source_row(void *arg, const struct devns_link_source *s)
{
	const struct row_list *v = arg;

	json_array_append_new(
		v->rows,
		json_pack("{so ss so so ss}", "source",
			  build_number_json(s->id), "node", s->node, "device",
			  build_device_json(s->major, s->minor), "classes",
			  build_classes_json(v->c, s->classes), "kind",
			  devns_types_kind_name(s->kind)));
}

int devnsctl_list_sources(void *context, const void *opts, char **argv,
			  struct err *e)
{
	struct devnsctl *c = context;
	static const struct table_column columns[] = {
		{ "SOURCE", "source" },	  { "NODE", "node" },
		{ "DEVICE", "device" },	  { "KIND", "kind" },
		{ "CLASSES", "classes" }, {},
	};
	auto_json json_t *rows = json_array();
	struct row_list v = { c, rows };
	int r = devns_link_each_source(c->link, add_source_row, &v, e);
	return r < 0 ? r : print_table_or_json(c, columns, rows, e);
}

/* ---- endpoints */

static void add_endpoint_row(void *arg, const struct devns_link_endpoint *ep)
{
	const struct row_list *v = arg;

	if (!devns_name_is_requested(v->c, ep->ns))
		return;
	json_array_append_new(
		v->rows,
		json_pack("{ss so ss so so sb so so}", "devns",
			  devns_name_get(v->c, ep->ns), "source",
			  build_number_json(ep->source), "node", ep->node,
			  "device", build_device_json(ep->major, ep->minor),
			  "classes", build_classes_json(v->c, ep->classes),
			  "allowed", ep->allowed, "handles",
			  build_number_json(ep->handles), "mappings",
			  build_number_json(ep->mappings)));
}

int devnsctl_list_endpoints(void *context, const void *opts, char **argv,
			    struct err *e)
{
	struct devnsctl *c = context;
	static const struct table_column columns[] = {
		{ "DEVNS", "devns" },	  { "NODE", "node" },
		{ "DEVICE", "device" },	  { "ALLOWED", "allowed" },
		{ "HANDLES", "handles" }, { "MAPPINGS", "mappings" },
		{ "CLASSES", "classes" }, {},
	};
	auto_json json_t *rows = json_array();
	struct row_list v = { c, rows };
	int r = devns_name_select(c, argv[0], e);

	if (r == 0)
		r = devns_link_each_endpoint(c->link, add_endpoint_row, &v, e);
	return r < 0 ? r : print_table_or_json(c, columns, rows, e);
}

static void add_stat_row(void *arg, const struct devns_link_endpoint *ep)
{
	const struct row_list *v = arg;

	if (!devns_name_is_requested(v->c, ep->ns))
		return;
	json_array_append_new(
		v->rows,
		json_pack("{ss ss so so so so so so}", "devns",
			  devns_name_get(v->c, ep->ns), "node", ep->node,
			  "handles", build_number_json(ep->handles), "mappings",
			  build_number_json(ep->mappings), "opens",
			  build_number_json(ep->opens), "denials",
			  build_number_json(ep->denials), "calls",
			  build_number_json(ep->calls), "revokes",
			  build_number_json(ep->revokes)));
}

int devnsctl_list_stats(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct devnsctl *c = context;
	static const struct table_column columns[] = {
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
	struct row_list v = { c, rows };
	int r = devns_name_select(c, argv[0], e);

	if (r == 0)
		r = devns_link_each_stat(c->link, add_stat_row, &v, e);
	return r < 0 ? r : print_table_or_json(c, columns, rows, e);
}

/* ---- modes */

static const char *get_mode_word(struct cells_right right)
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

static void add_mode_rows(void *arg, const struct devns_link_ns *ns)
{
	const struct row_list *v = arg;

	for (int c = 0; c < CELLS_CLASS_COUNT; c++) {
		struct cells_right r = ns->right[c];

		if (!devns_name_is_requested(v->c, ns->id) ||
		    (r.use == CELLS_USE_NONE && !r.block))
			continue;
		json_array_append_new(
			v->rows, json_pack("{ss ss ss sb}", "devns", ns->name,
					   "class", class_name(c), "mode",
					   get_mode_word(r), "block", r.block));
	}
}

/* What is not listed is none. */
int devnsctl_list_modes(void *context, const void *opts, char **argv,
			struct err *e)
{
	struct devnsctl *c = context;
	static const struct table_column columns[] = {
		{ "DEVNS", "devns" },
		{ "CLASS", "class" },
		{ "MODE", "mode" },
		{ "BLOCK", "block" },
		{},
	};
	auto_json json_t *rows = json_array();
	struct row_list v = { c, rows };
	int r = devns_name_select(c, argv[0], e);

	if (r == 0)
		r = devns_link_each_ns(c->link, add_mode_rows, &v, e);
	return r < 0 ? r : print_table_or_json(c, columns, rows, e);
}
