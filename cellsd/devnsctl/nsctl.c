/* SPDX-License-Identifier: Apache-2.0 */
#include "cellsd/devnsctl/nsctl.h"

#include "lib/auto.h"
#include "lib/class.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
	const char *name;
	nsctl_fn *fn;
	bool by_devns; /* takes a devns */
	const char *summary;
} verbs[] = {
	{ "list", nsctl_list, false, "the devns and which one is in front" },
	{ "sources", nsctl_sources, false, "the devices that devns has" },
	{ "endpoints", nsctl_endpoints, true,
	  "what each devns has of each device, and may use now" },
	{ "modes", nsctl_modes, true, "the rights in force, by class" },
	{ "holders", nsctl_holders, true, "processes with endpoints open" },
	{ "stat", nsctl_stat, true, "opens, denials, calls, revocations" },
	{ "events", nsctl_events, true, "follow the audit events" },
};

static void print_help(void)
{
	printf("Usage: devnsctl VERB [OPTION...] [DEVNS]\n"
	       "Looks into the devns kernel module.\n\n"
	       "Verbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  %-10s %-8s %s\n", verbs[i].name,
		       verbs[i].by_devns ? "[DEVNS]" : "", verbs[i].summary);
	printf("\nOptions:\n"
	       "  --format table|json      how to print\n"
	       "  --list-verbs             print verbs and options, for "
	       "completion\n"
	       "  --help                   print this\n"
	       "  --version                print the version\n");
}

static void print_verbs(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("%s --format=\n", verbs[i].name);
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Returns the index of the first argument, or a negative errno. */
static int parse(const struct verb *v, int argc, char **argv, struct nsctl *c,
		 struct err *e)
{
	const struct opt opts[] = {
		{ "format", 0, OPT_FORMAT, &c->json, "table|json",
		  "how to print" },
		{ NULL },
	};
	char name[64];
	const struct opt_program program = {
		.name = name,
		.args = v->by_devns ? "[DEVNS]" : "",
		.summary = v->summary,
		.opts = opts,
	};
	int first;

	snprintf(name, sizeof(name), "devnsctl %s", v->name);
	first = opt_parse(&program, argc, argv, true, e);
	if (first < 0)
		return first;
	if (argc - first > v->by_devns)
		return err_set(e, EINVAL, "usage: %s %s", name, program.args);
	c->devns = argv[first];
	return first;
}

/* ---- devns by name */

static void key_of(uint32_t ns, char ret[16])
{
	snprintf(ret, 16, "%" PRIu32, ns);
}

static void take_name(void *arg, const struct devnslink_ns *ns)
{
	char key[16];

	key_of(ns->id, key);
	json_object_set_new(arg, key, json_string(ns->name));
}

const char *nsctl_name(const struct nsctl *c, uint32_t ns)
{
	static char key[16];
	const char *name;

	key_of(ns, key);
	name = json_string_value(json_object_get(c->names, key));
	return ns == 0 ? "host" : name ? name : key;
}

bool nsctl_wants(const struct nsctl *c, uint32_t ns)
{
	char key[16];

	key_of(ns, key);
	return !c->devns || strcmp(c->devns, key) == 0 ||
	       strcmp(c->devns, nsctl_name(c, ns)) == 0;
}

json_t *nsctl_classes(uint32_t classes)
{
	json_t *list = json_array();

	for (int i = 0; i < CELLS_CLASS_COUNT; i++)
		if (classes >> i & 1)
			json_array_append_new(list, json_string(class_name(i)));
	return list;
}

/* A name that nobody has is a mistake, not an empty answer. */
static int check_devns(const struct nsctl *c, struct err *e)
{
	const char *key;
	json_t *name;

	if (!c->devns || strcmp(c->devns, "host") == 0)
		return 0;
	json_object_foreach (c->names, key, name)
		if (strcmp(c->devns, key) == 0 ||
		    strcmp(c->devns, json_string_value(name)) == 0)
			return 0;
	return err_set(e, ENOENT, "there is no devns '%.70s'", c->devns);
}

static int run(const struct verb *v, struct nsctl *c, char **argv,
	       struct err *e)
{
	AUTO(devnslink_freep) struct devnslink *link = NULL;
	auto_json json_t *names = json_object();
	int r = names ? devnslink_open(&link, e) : err_oom(e, v->name);

	c->link = link;
	c->names = names;
	if (r == 0)
		r = devnslink_each_ns(link, take_name, names, e);
	if (r == 0)
		r = check_devns(c, e);
	return r < 0 ? r : v->fn(c, argv, e);
}

int nsctl_main(int argc, char **argv)
{
	struct nsctl c = { 0 };
	const struct verb *v;
	struct err e;
	int r;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_help();
		return argc < 2 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0) {
		opt_print_version("devnsctl");
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--list-verbs") == 0) {
		print_verbs();
		return EXIT_SUCCESS;
	}
	v = find(argv[1]);
	if (!v) {
		log_error("unknown verb %s (see devnsctl --help)", argv[1]);
		return EXIT_USAGE;
	}
	r = parse(v, argc - 1, argv + 1, &c, &e);
	if (r == -ECANCELED)
		return EXIT_SUCCESS;
	if (r < 0) {
		log_error("%s", e.text);
		return EXIT_USAGE;
	}
	r = run(v, &c, argv + 1 + r, &e);
	if (r < 0)
		log_error("%s", e.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
