/* SPDX-License-Identifier: Apache-2.0 */
#include "devnsctl/devnsctl.h"

#include "devnsctl/devns_name.h"
#include "lib/auto.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/opt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
	const char *name;
	devnsctl_fn *fn;
	bool by_devns; /* takes a devns */
	const char *summary;
} verbs[] = {
	{ "list", devnsctl_list_devns, false,
	  "the devns and which one is in front" },
	{ "sources", devnsctl_list_sources, false,
	  "the devices that devns has" },
	{ "endpoints", devnsctl_list_endpoints, true,
	  "what each devns has of each device, and may use now" },
	{ "modes", devnsctl_list_modes, true, "the rights in force, by class" },
	{ "holders", devnsctl_list_holders, true,
	  "processes with endpoints open" },
	{ "stat", devnsctl_list_stats, true,
	  "opens, denials, calls, revocations" },
	{ "events", devnsctl_follow_events, true, "follow the audit events" },
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

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Returns the index of the first argument, or a negative errno. */
static int parse_verb_options(const struct verb *v, int argc, char **argv,
			      struct devnsctl *c, struct err *e)
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

static int run_verb(const struct verb *v, struct devnsctl *c, char **argv,
		    struct err *e)
{
	AUTO(devns_link_freep) struct devns_link *link = NULL;
	auto_json json_t *names = json_object();
	int r = names ? devns_link_open(&link, e) : err_oom(e, v->name);

	c->link = link;
	c->names = names;
	if (r == 0)
		r = devns_name_load_all(c, e);
	return r < 0 ? r : v->fn(c, argv, e);
}

int devnsctl_main(int argc, char **argv)
{
	struct devnsctl c = { 0 };
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
	v = find_verb(argv[1]);
	if (!v) {
		log_error("unknown verb %s (see devnsctl --help)", argv[1]);
		return EXIT_USAGE;
	}
	r = parse_verb_options(v, argc - 1, argv + 1, &c, &e);
	if (r == -ECANCELED)
		return EXIT_SUCCESS;
	if (r < 0) {
		log_error("%s", e.text);
		return EXIT_USAGE;
	}
	r = run_verb(v, &c, argv + 1 + r, &e);
	if (r < 0)
		log_error("%s", e.text);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
